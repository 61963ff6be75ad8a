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


def excused(picture: Picture, found: Detections, free: np.ndarray, iou: float) -> np.ndarray:
    """Return bool (N,): which detections are neither true nor false, because of an ignored region.

    As COCO does it within each class: a crowd excuses all that lie in it by the part ``iou``, another
    region, such as a difficult object, the best free one with this IoU.

    Args:
        picture: the `Picture`.
        found: its `Detections`, best first.
        free: bool (N,), which of them have no object.
        iou: 0..1.
    """
    crowd = picture.ignored_crowd
    overlaps = np.where(
        crowd, box_iof(found.xyxy, picture.ignored), box_iou(found.xyxy, picture.ignored)
    )
    allowed = (found.class_id[:, None] == picture.ignored_labels[None]) & free[:, None]
    overlaps[~allowed | (overlaps < iou)] = 0
    result = np.zeros(len(found), bool)
    for i in np.flatnonzero(overlaps.any(axis=1)):
        best = int(overlaps[i].argmax())
        result[i] = overlaps[i, best] > 0
        if result[i] and not crowd[best]:
            overlaps[:, best] = 0
    return result
