"""Two models' AP on the same images, and how far chance moves the difference."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from nanodet.data.records import Annotations
from nanodet.evaluate.coco_metrics import evaluate_detections
from nanodet.runtime.detections import Detections

GROUPS = 10


def ap_of(truth: Annotations | None, detections: Sequence[Detections]) -> float | None:
    """Return AP in percent, None without annotations or where images have no detections.

    Args:
        truth: an `nanodet.data.records.Annotations`, or None.
        detections: a `Detections` for each of ``truth.pictures``, or for fewer.
    """
    if truth is None or len(detections) != len(truth.pictures):
        return None
    return evaluate_detections(truth, detections, per_class=False).AP


def spread_of_change(
    truth: Annotations, ours: Sequence[Detections], theirs: Sequence[Detections]
) -> float:
    """Return the standard error of the difference between two models' AP on the same images.

    The images are dealt into `GROUPS`, and AP is measured without each (the jackknife): a
    difference caused by a few images vanishes without them, a real one stays.

    Args:
        truth: an `nanodet.data.records.Annotations`.
        ours, theirs: a `Detections` for each of ``truth.pictures``, in their order.

    Returns:
        points of AP; infinite where it cannot be estimated: of one image, or if all objects of the
        images are in one group.
    """
    count = len(truth.pictures)
    changes = []
    for group in range(min(GROUPS, count)):
        kept = [i for i in range(count) if i % GROUPS != group]
        part = dataclasses.replace(truth, pictures=[truth.pictures[i] for i in kept])
        first, second = (
            evaluate_detections(part, [found[i] for i in kept], per_class=False).AP
            for found in (ours, theirs)
        )
        if first is None or second is None:
            return float("inf")
        changes.append(first - second)
    if len(changes) < 2:
        return float("inf")
    return float(np.std(changes)) * (len(changes) - 1) ** 0.5
