"""What COCOeval matched in each image, in a form from which AP of any choice of these images follows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Matches(NamedTuple):
    """The detections and objects of one class and one range of areas.

    Attributes:
        image: int32 (D,), position of the image of each detection; best score first, equal scores in
            the order in which COCO ranks them.
        hit: bool (T, D), whether a detection is a true positive at each IoU threshold.
        counted: bool (T, D), whether it counts at all: neither matched with an ignored region nor,
            without a match, outside of the range of areas. A detection that counts and is no hit is a
            false positive.
        objects: int32 (images,), how many objects of each image count.
    """

    image: np.ndarray
    hit: np.ndarray
    counted: np.ndarray
    objects: np.ndarray


def matches_of(evaluation: Any, order: Sequence[int]) -> list[list[Matches | None]]:
    """Return what a COCOeval has matched, per class and range of areas.

    None stands for a class and range with neither detections nor objects.

    Args:
        evaluation: a ``pycocotools.cocoeval.COCOeval`` after ``evaluate()``.
        order: the position, in the caller's list, of each of its images.
    """
    images, areas = len(evaluation.params.imgIds), len(evaluation.params.areaRng)
    thresholds, position = len(evaluation.params.iouThrs), np.asarray(order, np.int32)
    found: list[list[Matches | None]] = []
    for at_class in range(len(evaluation.params.catIds)):
        found.append([])
        for at_area in range(areas):
            first = (at_class * areas + at_area) * images
            parts = [
                (i, one)
                for i, one in enumerate(evaluation.evalImgs[first : first + images])
                if one is not None
            ]
            found[-1].append(_joined(parts, position, thresholds) if parts else None)
    return found


def _joined(
    parts: Sequence[tuple[int, dict[str, Any]]], position: np.ndarray, thresholds: int
) -> Matches:
    """Join the images' results as ``COCOeval.accumulate`` does."""
    scores = np.concatenate([one["dtScores"] for _, one in parts])
    ranked = np.argsort(-scores, kind="stable")
    images = position[np.array([i for i, _ in parts])]
    lengths = [len(one["dtScores"]) for _, one in parts]
    matched, ignored = (
        np.concatenate([one[key].reshape(thresholds, -1) for _, one in parts], axis=1)[:, ranked]
        > 0
        for key in ("dtMatches", "dtIgnore")
    )
    objects = np.zeros(len(position), np.int32)
    objects[images] = [np.count_nonzero(np.asarray(one["gtIgnore"]) == 0) for _, one in parts]
    return Matches(np.repeat(images, lengths)[ranked], matched & ~ignored, ~ignored, objects)
