"""Which object each detection of an image takes, best score first."""

import numpy as np

from nanodet.data.records import Picture
from nanodet.evaluate.overlap import box_iof, box_iou
from nanodet.runtime.detections import Detections

IOU = 0.5  # least, of a detection with its object


def match(picture: Picture, found: Detections, iou: float, same_class: bool = False) -> np.ndarray:
    """Match the detections of an image with its objects greedily, best score first.

    Each takes the free object with which it overlaps most, preferring objects of its class.

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
