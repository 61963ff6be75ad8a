"""Which class is taken for which: the confusion matrix of a detector."""

from collections.abc import Sequence

import numpy as np

from nanodet.data.records import Annotations
from nanodet.evaluate.greedy_matching import IOU, excused, match
from nanodet.runtime.detections import Detections
from nanodet.runtime.thresholds import Thresholds

SCORE = Thresholds.score


def confusion_matrix(
    annotations: Annotations,
    detections: Sequence[Detections],
    iou: float = IOU,
    score: float = SCORE,
) -> np.ndarray:
    """Count what objects were detected as.

    Detections are matched by `nanodet.evaluate.greedy_matching.match`. One left without an object is
    background taken for its class, unless an ignored region of its class covers it by ``iou``; an
    object without a detection was missed.

    Args:
        annotations: an `nanodet.data.records.Annotations`.
        detections: a `Detections` for each of its images, in their order.
        iou: least IoU of a detection with its object, 0..1.
        score: detections must score above it, 0..1.

    Returns:
        int64 (classes + 1, classes + 1): rows are the true class, columns the detected one, the
        last of each is the background.
    """
    classes = len(annotations.class_names)
    matrix = np.zeros((classes + 1, classes + 1), np.int64)
    for picture, found in zip(annotations.pictures, detections, strict=True):
        found = found[found.confidence > score]
        found = found[np.argsort(-found.confidence, kind="stable")]
        matched = match(picture, found, iou)
        hits = matched >= 0
        np.add.at(matrix, (picture.labels[matched[hits]], found.class_id[hits]), 1)
        missed = np.setdiff1d(np.arange(len(picture.labels)), matched[hits])
        np.add.at(matrix, (picture.labels[missed], classes), 1)
        alone = ~hits & ~excused(picture, found, ~hits, iou)
        np.add.at(matrix, (classes, found.class_id[alone]), 1)
    return matrix
