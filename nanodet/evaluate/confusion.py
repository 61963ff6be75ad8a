"""Which class is taken for which: the confusion matrix of a detector."""

from collections.abc import Sequence

import numpy as np

from nanodet.data.records import Annotations, Picture
from nanodet.runtime.detections import Detections
from nanodet.runtime.thresholds import Thresholds

IOU, SCORE = 0.5, Thresholds.score


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the IoU of every pair of boxes.

    Args:
        first: (N, 4) xyxy; second: (M, 4) xyxy.

    Returns:
        float64 (N, M), 0..1; 0 where both boxes are empty.
    """
    first, second, shared = _intersections(first, second)
    union = _areas(first)[:, None] + _areas(second)[None] - shared
    return shared / np.maximum(union, np.finfo(np.float64).tiny)


def box_iof(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the part of each of ``first`` that lies in each of ``second``, as `box_iou`."""
    first, second, shared = _intersections(first, second)
    return shared / np.maximum(_areas(first)[:, None], np.finfo(np.float64).tiny)


def confusion_matrix(
    annotations: Annotations,
    detections: Sequence[Detections],
    iou: float = IOU,
    score: float = SCORE,
) -> np.ndarray:
    """Count what objects were detected as.

    Detections of an image are matched greedily, best score first: each takes the free object
    with which it overlaps most, preferring objects of its class. A detection left without an object
    is background taken for its class, unless an ignored region of its class covers it by ``iou``; an
    object without a detection was missed.

    Args:
        annotations: an `nanodet.data.records.Annotations`.
        detections: a `Detections` for each of its images, in their order.
        iou: least IoU of a detection with its object, 0..1.
        score: detections below this confidence are left out, 0..1.

    Returns:
        int64 (classes + 1, classes + 1): rows are the true class, columns the detected one, the
        last of each is the background.
    """
    classes = len(annotations.class_names)
    matrix = np.zeros((classes + 1, classes + 1), np.int64)
    for picture, found in zip(annotations.pictures, detections, strict=True):
        found = found[found.confidence >= score]
        found = found[np.argsort(-found.confidence, kind="stable")]
        matched = match(picture, found, iou)
        hits = matched >= 0
        np.add.at(matrix, (picture.labels[matched[hits]], found.class_id[hits]), 1)
        missed = np.setdiff1d(np.arange(len(picture.labels)), matched[hits])
        np.add.at(matrix, (picture.labels[missed], classes), 1)
        alone = ~hits & ~excused(picture, found, iou)
        np.add.at(matrix, (classes, found.class_id[alone]), 1)
    return matrix


def match(picture: Picture, found: Detections, iou: float, same_class: bool = False) -> np.ndarray:
    """Match the detections of an image with its objects greedily, see `confusion_matrix`.

    Args:
        picture: the `Picture`.
        found: its `Detections`, best first.
        iou: least IoU of a detection with its object, 0..1.
        same_class: whether a detection takes objects of its own class only.

    Returns:
        int64 (N,): the object of each detection, -1 where there is none.
    """
    overlaps = box_iou(found.xyxy, picture.boxes)
    same = found.class_id[:, None] == picture.labels[None]
    allowed = (overlaps >= iou) & (same | (not same_class))
    worth = np.where(allowed, overlaps + same, 0.0)  # IoU <= 1: its own class comes first
    matched = np.full(len(found), -1, np.int64)
    if not worth.size:
        return matched
    for i in np.flatnonzero(worth.any(axis=1)):
        best = int(worth[i].argmax())
        if worth[i, best] > 0:
            matched[i] = best
            worth[:, best] = 0
    return matched


def excused(picture: Picture, found: Detections, iou: float) -> np.ndarray:
    """Return bool (N,): which detections an ignored region of their class covers by ``iou``, 0..1."""
    same = found.class_id[:, None] == picture.ignored_labels[None]
    covered: np.ndarray = ((box_iof(found.xyxy, picture.ignored) >= iou) & same).any(axis=1)
    return covered


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)


def _intersections(
    first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first = np.asarray(first, np.float64).reshape(-1, 4)
    second = np.asarray(second, np.float64).reshape(-1, 4)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return first, second, np.prod(np.maximum(high - low, 0), axis=2)
