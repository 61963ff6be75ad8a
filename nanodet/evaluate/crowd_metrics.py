"""The measures of CrowdHuman: AP, log-average miss rate MR^-2 and Jaccard index JI.

All at an IoU above 0.5. What lies in an ignored region, by more than half of its own area, is neither right
nor wrong. None of them depends on the order of images, boxes or equal scores.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import numpy as np

from nanodet.data.records import Annotations
from nanodet.evaluate.matching import matching_sizes
from nanodet.evaluate.overlap import box_iof, box_iou
from nanodet.runtime.detections import Detections

IOU = 0.5  # a pair overlaps by more
FPPI = 10.0 ** np.linspace(-2, 0, 9)  # false positives per image
SCORES = np.arange(10, dtype=np.float32) / np.float32(10)  # of JI; a detection scores more


class ClassCrowd(NamedTuple):
    """The measures of one class in percent, None where they are undefined.

    Attributes:
        name: of the class.
        objects: how many it has.
        AP: area under the curve of precision and recall, see `average_precision`.
        MR: log-average miss rate, see `miss_rate`; less is better.
        JI: Jaccard index, see `jaccard_index`; JI_score: detections of more than this score, 0..1, have it.
    """

    name: str
    objects: int
    AP: float | None
    MR: float | None
    JI: float | None
    JI_score: float | None


@dataclass(frozen=True)
class CrowdMetrics:
    """The measures of each class that has objects, or of all if none has; the values are their means."""

    classes: tuple[ClassCrowd, ...]

    @property
    def AP(self) -> float | None:
        """AP in percent, None without objects."""
        return _mean(one.AP for one in self.classes)

    @property
    def MR(self) -> float | None:
        """MR^-2 in percent, None without objects."""
        return _mean(one.MR for one in self.classes)

    @property
    def JI(self) -> float | None:
        """JI in percent, None with neither objects nor detections."""
        return _mean(one.JI for one in self.classes)

    def to_dict(self) -> dict[str, float | None]:
        """Return ``AP``, ``MR`` and ``JI`` in percent, None where undefined."""
        values = {"AP": self.AP, "MR": self.MR, "JI": self.JI}
        return {key: None if value is None else round(value, 4) for key, value in values.items()}


class Boxes(NamedTuple):
    """The boxes of one class in one image, each float (N, 4) xyxy.

    Attributes:
        found: detections; scores: float (N,), of each.
        objects: the ground truth.
        ignored: regions in which nothing counts.
    """

    found: np.ndarray
    scores: np.ndarray
    objects: np.ndarray
    ignored: np.ndarray


def crowd_metrics(annotations: Annotations, detections: Sequence[Detections]) -> CrowdMetrics:
    """Compare detections with the ground truth as CrowdHuman does.

    Args:
        annotations: an `nanodet.data.records.Annotations`.
        detections: a `Detections` for each of its images, in their order.

    Returns:
        `CrowdMetrics`. Classes of which the annotations have no object are left out, unless they have
        none of any class.
    """
    pictures = annotations.pictures
    counts = np.zeros(len(annotations.class_names), np.int64)
    for picture in pictures:
        counts += np.bincount(picture.labels, minlength=len(counts))
    measured = np.flatnonzero(counts) if counts.any() else np.arange(len(counts))
    classes = []
    for label in measured.tolist():
        images = [
            Boxes(
                found.xyxy[found.class_id == label],
                found.confidence[found.class_id == label],
                picture.boxes[picture.labels == label],
                picture.ignored[picture.ignored_labels == label],
            )
            for picture, found in zip(pictures, detections, strict=True)
        ]
        curve = Curve.of(images)
        index, score = jaccard_index(images)
        classes.append(
            ClassCrowd(
                annotations.class_names[label],
                int(counts[label]),
                _percent(average_precision(curve)),
                _percent(miss_rate(curve)),
                _percent(index),
                score,
            )
        )
    return CrowdMetrics(tuple(classes))


class Curve(NamedTuple):
    """Right and wrong detections of at least each score that occurs, best first.

    Attributes:
        right, wrong: int64 (scores,), how many there are in all images.
        objects, images: how many there are of these.
    """

    right: np.ndarray
    wrong: np.ndarray
    objects: int
    images: int

    @classmethod
    def of(cls, images: Sequence[Boxes]) -> "Curve":
        """Return that of the `Boxes` of all images."""
        judged = [_judge(boxes) for boxes in images]
        scores = np.concatenate([scores for scores, _ in judged] or [np.zeros(0)])
        hits = np.concatenate([hits for _, hits in judged] or [np.zeros(0, bool)])
        order = np.argsort(-scores, kind="stable")
        last = np.append(np.diff(scores[order]) != 0, True)[: len(order)]  # of each score
        right = np.cumsum(hits[order])[last]
        wrong = np.cumsum(~hits[order])[last]
        return cls(right, wrong, sum(len(boxes.objects) for boxes in images), len(images))


def average_precision(curve: Curve) -> float | None:
    """Return the area under precision over recall, 0..1, as Pascal VOC has defined it since 2010.

    The precision at a recall is the best one at this recall or above. None without objects.
    """
    if not curve.objects:
        return None
    recall = curve.right / curve.objects
    precision = curve.right / (curve.right + curve.wrong)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * best).sum())


def miss_rate(curve: Curve) -> float | None:
    """Return MR^-2, 0..1: the geometric mean of the miss rates at nine false positives per image.

    These are 10^-2, 10^-1.75, ..., 1 (Dollar et al., Pedestrian Detection, 2012). The miss rate at
    each is that of the lowest score with no more of them: 1 if there is none, and the last of a curve
    that ends before. MR^-2 is 0 if one of the nine is. None without objects.
    """
    if not curve.objects:
        return None
    most = FPPI * curve.images * (1 + 1e-9)  # 0.1 of 10 images is 1, whatever its rounding
    reached = np.searchsorted(curve.wrong, most, side="right")
    missed = 1 - np.append(0, curve.right)[reached] / curve.objects
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(missed).mean()))


def jaccard_index(images: Sequence[Boxes]) -> tuple[float | None, float | None]:
    """Return JI, 0..1, and the score that detections must exceed for it.

    For each of `SCORES` the detections above it are matched one to one with the objects, as many as
    possible. With ``k`` pairs of ``n`` detections and ``m`` objects, the index of an image is
    k / (n + m - k), where unmatched detections and objects in ignored regions do not count. Of the largest
    matchings, those count that leave most of these unmatched. The index of a score is the mean over the
    images in which anything counts, and JI is the best of them.

    Returns:
        (JI, score), the lowest such score; (None, None) if nothing counts in any image.
    """
    table = np.array([_indices(boxes) for boxes in images]).reshape(-1, len(SCORES))
    counted = (~np.isnan(table)).sum(axis=0)
    if not counted.any():
        return None, None
    means = np.nansum(table, axis=0) / np.maximum(counted, 1)
    best = int(means.argmax())
    return float(means[best]), round(float(SCORES[best]), 1)


def _judge(boxes: Boxes) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and hits (bool) of the detections of an image that count.

    Best score first, each takes the free object with which it overlaps most. One without an object
    does not count if it lies in an ignored region.
    """
    objects = boxes.objects[np.lexsort(boxes.objects.T)]
    overlaps = box_iou(boxes.found, objects)
    # among equal scores, the better fit comes first; the rest only makes the order definite
    fit = overlaps.max(axis=1, initial=0)
    order = np.lexsort([*boxes.found.T, -fit, -boxes.scores])
    found, scores, overlaps = boxes.found[order], boxes.scores[order], overlaps[order]
    hits = np.zeros(len(found), bool)
    for n in np.flatnonzero(fit[order] > IOU).tolist():
        best = int(overlaps[n].argmax())
        if overlaps[n, best] > IOU:
            hits[n] = True
            overlaps[:, best] = 0
    counted = hits | ~_inside(found, boxes.ignored)
    return scores[counted], hits[counted]


def _inside(boxes: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Return which boxes (N, 4) lie in an ignored region by more than half of their area: bool (N,)."""
    return box_iof(boxes, ignored).max(axis=1, initial=0) > IOU


def _indices(boxes: Boxes) -> np.ndarray:
    """Return the index of one image at each of `SCORES`, NaN where nothing counts."""
    order = np.argsort(-boxes.scores, kind="stable")
    found, scores = boxes.found[order], np.asarray(boxes.scores[order], np.float32)
    near = box_iou(found, boxes.objects) > IOU
    excused, spared = _inside(found, boxes.ignored), _inside(boxes.objects, boxes.ignored)
    above = (scores[None] > SCORES[:, None]).sum(axis=1)  # detections of more than each score
    pairs = _sizes(near)[above]
    # The pairs that boxes outside of ignored regions can have alone: a matching of most pairs can keep
    # all of these (Mendelsohn and Dulmage), so the rest of its pairs need boxes inside.
    pairs_out = _sizes(near & ~excused[:, None])[above] if excused.any() else pairs
    pairs_spared = _sizes(near & ~spared[None])[above] if spared.any() else pairs
    outside = np.append(0, np.cumsum(~excused))[above]
    counted = outside + pairs - pairs_out  # detections: those outside, and the matched ones inside
    objects = (~spared).sum() + pairs - pairs_spared
    union = counted + objects - pairs
    return np.where(union > 0, pairs / np.maximum(union, 1), np.nan)


def _sizes(near: np.ndarray) -> np.ndarray:
    """Return the most pairs of the first 0, 1, ... N rows of a bool (N, M) table: int64 (N + 1,)."""
    edges: list[list[int]] = [[] for _ in near]
    for row, column in np.argwhere(near).tolist():
        edges[row].append(column)
    return np.array([0, *matching_sizes(edges)])


def _percent(value: float | None) -> float | None:
    return None if value is None else value * 100


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
