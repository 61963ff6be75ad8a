"""Whether two models detect the same: how many detections of one have a twin in the other's."""

from collections.abc import Iterable

import numpy as np

from nanodet.evaluate.overlap import box_iou
from nanodet.runtime.detections import Detections

SCORE, IOU, SCORE_OFF = 0.3, 0.9, 0.1
NEEDED = 0.9  # of the detections, where a rounded model is judged by them alone


def count_twins(ours: Detections, theirs: Detections) -> tuple[int, int]:
    """Count the detections above `SCORE` of both sides, and those with a twin on the other side.

    A twin has the same class, an IoU above `IOU` and a confidence within `SCORE_OFF`; it may itself
    lie below `SCORE`, so both sides should hold detections down to `SCORE` - `SCORE_OFF`.

    Args:
        ours, theirs: `nanodet.runtime.detections.Detections` of one image.

    Returns:
        (with a twin, counted), of both sides together.
    """
    alike = (
        (box_iou(ours.xyxy, theirs.xyxy) > IOU)
        & (ours.class_id[:, None] == theirs.class_id[None])
        & (np.abs(ours.confidence[:, None] - theirs.confidence[None]) <= SCORE_OFF)
    )
    twins = counted = 0
    for found, has_twin in ((ours, alike.any(axis=1)), (theirs, alike.any(axis=0))):
        above = found.confidence > SCORE
        twins += int(has_twin[above].sum())
        counted += int(above.sum())
    return twins, counted


def share_of_twins(ours: Iterable[Detections], theirs: Iterable[Detections]) -> float | None:
    """Return the fraction of detections that have a twin, 0..1; None without any detection.

    Args:
        ours, theirs: a `Detections` for each image, in the same order.
    """
    counts = [count_twins(*pair) for pair in zip(ours, theirs, strict=True)]
    counted = sum(of for _, of in counts)
    return sum(twins for twins, _ in counts) / counted if counted else None


def iou_of_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the IoU (N,) of boxes around the same points, given by their distances (N, 4)."""
    area_a, area_b = ((s[:, 0] + s[:, 2]) * (s[:, 1] + s[:, 3]) for s in (a, b))
    both = np.minimum(a, b)
    inside = (both[:, 0] + both[:, 2]) * (both[:, 1] + both[:, 3])
    return inside / np.maximum(area_a + area_b - inside, 1e-9)
