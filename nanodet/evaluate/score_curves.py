"""Precision, recall and F1 over the score threshold, of each class and of all together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nanodet.evaluate.bootstrap import Interval, Z
from nanodet.evaluate.intervals import AT_50
from nanodet.evaluate.matches import Matches
from nanodet.runtime.detections import Detections


@dataclass(frozen=True)
class ScoreCurve:
    """What the detections of a class, or of all, are worth from each score on, at IoU 0.5.

    Detections are matched as COCO does, best score first; those matched with ignored regions do not
    count. Entry i is of all detections that score at least ``score[i]``. Arrays are of length N, the
    number of different scores.

    Attributes:
        name: of the class.
        objects: how many there are.
        score: float32, descending.
        detections: int64, how many count.
        precision: float64, 0..1, the part of them that are true.
        recall: float64, 0..1, the part of the objects that they find; NaN without objects.
        f1: float64, 0..1, twice the true ones over detections and objects together.
        precision_size, recall_size: float64, how many independent boxes tell as much about precision and
            recall: boxes of one image are hit or missed together, so that these are fewer than there are.
    """

    name: str
    objects: int
    score: np.ndarray = field(repr=False)
    detections: np.ndarray = field(repr=False)
    precision: np.ndarray = field(repr=False)
    recall: np.ndarray = field(repr=False)
    f1: np.ndarray = field(repr=False)
    precision_size: np.ndarray = field(repr=False)
    recall_size: np.ndarray = field(repr=False)

    def ends(self, measure: str, z: float = Z) -> tuple[np.ndarray, np.ndarray]:
        """Return low and high ends (N,) of the intervals of ``precision`` or ``recall``, see `wilson`.

        Args:
            measure: which.
            z: of the normal distribution.
        """
        return wilson(getattr(self, measure), getattr(self, f"{measure}_size"), z)

    def at(self, score: float) -> int | None:
        """Return the entry of the detections above a score threshold; None if there are none."""
        above = int(np.count_nonzero(self.score > np.float32(score)))
        return above - 1 if above else None

    def interval(self, measure: str, entry: int) -> Interval:
        """Return ``precision`` or ``recall`` of an entry with its interval of 95 %."""
        low, high = self.ends(measure)
        value = getattr(self, measure)[entry]
        return Interval(float(value), float(low[entry]), float(high[entry]))


def score_curves(
    matches: Sequence[Sequence[Matches | None]],
    detections: Sequence[Detections],
    class_names: Sequence[str],
) -> tuple[list[ScoreCurve], ScoreCurve]:
    """Return the curve of each class, in order of the class index, and of all together.

    Args:
        matches: of `nanodet.evaluate.coco_metrics.Metrics`.
        detections: from which they were made.
        class_names: one per class.
    """
    labels = np.concatenate([np.zeros(0, np.int64), *(found.class_id for found in detections)])
    scores = np.concatenate([np.zeros(0, np.float32), *(found.confidence for found in detections)])
    empty = np.zeros((AT_50 + 1, 0), bool)
    nothing = Matches(np.zeros(0, np.int32), empty, empty, np.zeros(len(detections), np.int32))
    parts = []
    for label in range(len(class_names)):
        # both are ranked by score
        ranked = np.sort(scores[labels == label])[::-1]
        one = matches[label][0] if matches else None
        image, hit, counted, objects = one or nothing
        kept = counted[AT_50]
        parts.append((ranked[kept], hit[AT_50][kept], image[kept], objects))
    curves = [_curve(name, *part) for name, part in zip(class_names, parts, strict=True)]
    score, hit, image = (np.concatenate([part[i] for part in parts]) for i in range(3))
    order = np.argsort(-score, kind="stable")
    objects = np.sum([part[3] for part in parts], axis=0)
    return curves, _curve("all classes", score[order], hit[order], image[order], objects)


def wilson(part: np.ndarray, size: np.ndarray, z: float = Z) -> tuple[np.ndarray, np.ndarray]:
    """Return low and high ends of intervals of parts (Wilson 1927, "Probable inference").

    Args:
        part: float64 (N,), 0..1, of ``size`` independent things each; NaN stays NaN.
        size: float64 (N,), above 0.
        z: of the normal distribution.
    """
    square = z * z / size
    middle = (part + square / 2) / (1 + square)
    half = np.sqrt(square * (part * (1 - part) + square / 4)) / (1 + square)
    return middle - half, middle + half


def _curve(
    name: str, score: np.ndarray, hit: np.ndarray, image: np.ndarray, objects: np.ndarray
) -> ScoreCurve:
    """Return the curve of detections (D,), best first, and of the number of objects of each image."""
    true, total = hit.astype(np.float64), int(objects.sum())
    before, true_before = (_before(image, one) for one in (np.ones(len(true)), true))
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True)[: len(score)])
    found, hits = np.arange(1.0, len(true) + 1)[last], np.cumsum(true)[last]
    # sums over images, of the products of their numbers: what the next detection adds to them
    hits_hits = np.cumsum(true * (2 * true_before + 1))[last]
    hits_found = np.cumsum(true_before + true * (before + 1))[last]
    found_found = np.cumsum(2 * before + 1)[last]
    per_image = objects.astype(np.float64)
    hits_objects = np.cumsum(true * per_image[image])[last]
    recall = hits / total if total else np.full(len(last), np.nan)
    precision = hits / found
    return ScoreCurve(
        name,
        total,
        score[last],
        found.astype(np.int64),
        precision,
        recall,
        2 * hits / (found + total),
        _size(precision, found, hits_hits, hits_found, found_found),
        _size(
            recall, np.full(len(last), float(total)), hits_hits, hits_objects, per_image @ per_image
        ),
    )


def _before(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return for each detection the sum of the values of earlier ones of its image."""
    order = np.argsort(image, kind="stable")
    sums = np.cumsum(values[order]) - values[order]
    first = np.searchsorted(image[order], image[order])
    made = np.empty(len(values))
    made[order] = sums - sums[first]
    return made


def _size(
    part: np.ndarray,
    count: np.ndarray,
    hits_hits: np.ndarray,
    hits_count: np.ndarray,
    count_count: np.ndarray | float,
) -> np.ndarray:
    """Return how many independent boxes tell as much about parts as clusters of boxes do.

    A part is a ratio of two sums over images; its variance by linearisation, over that of as many
    independent boxes, is the design effect by which the number of boxes is divided (Cochran, Sampling
    Techniques, 1977, sections 6.4 and 9A). It counts as at least 1, and as 1 where no box is unlike the
    others.

    Args:
        part: float64 (N,); count: what it is a part of.
        hits_hits, hits_count, count_count: sums over images of products of their hits and counts.
    """
    spread = hits_hits - 2 * part * hits_count + part**2 * count_count
    alone = count * part * (1 - part)
    effect = np.divide(spread, alone, out=np.ones(len(part)), where=alone > 0)
    return count / np.maximum(effect, 1)
