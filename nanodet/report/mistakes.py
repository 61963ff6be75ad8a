"""What a model gets wrong at its thresholds: false positives by kind, missed objects, uncertain boxes.

The kinds of false positives are those of Bolya et al., "TIDE: A General Toolbox for Identifying Object
Detection Errors" (ECCV 2020), section 2.2, with its two IoU thresholds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nanodet.data.records import Annotations, Picture
from nanodet.evaluate.greedy_matching import IOU, excused, match
from nanodet.evaluate.overlap import box_iou
from nanodet.runtime.detections import Detections

NEAR = 0.1  # IoU below which a box is at no object
DUPLICATE, WRONG_CLASS, POOR_BOX, BOTH, BACKGROUND = FALSE = (
    "duplicate",
    "wrong class",
    "poor box",
    "wrong class and poor box",
    "background",
)
MISSED, UNCERTAIN = "missed", "uncertain"
MEANINGS = {
    DUPLICATE: f"IoU of at least {IOU:g} with an object of its class that a better detection has found",
    WRONG_CLASS: f"IoU of at least {IOU:g} with an object of another class",
    POOR_BOX: f"IoU of {NEAR:g} to {IOU:g} with an object of its class",
    BOTH: f"IoU of {NEAR:g} to {IOU:g} with an object of another class",
    BACKGROUND: f"IoU below {NEAR:g} with all objects: nothing is there, or it was not annotated",
}


@dataclass(frozen=True)
class Other:
    """The box that is nearest to one in question: of an annotation, or of a detection with a score."""

    box: tuple[float, ...]
    class_id: int
    iou: float
    score: float | None = None


@dataclass(frozen=True)
class Mistake:
    """A detection or an object in question.

    Attributes:
        kind: one of `FALSE`, `MISSED` or `UNCERTAIN`.
        image: position in the annotations.
        box: xyxy in pixels of the image.
        class_id: of the detection, or of the missed object.
        score: of the detection; None for an object.
        worth: what mistakes of a kind are ordered by, worst first when descending: the score, the area
            of a missed object in square pixels, the largest standard deviation in parts of the box's side.
        other: the nearest annotation of a detection, or the nearest detection of a missed object.
        spread: standard deviations of its edges, in pixels.
    """

    kind: str
    image: int
    box: tuple[float, ...]
    class_id: int
    score: float | None
    worth: float
    other: Other | None = None
    spread: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Mistakes:
    """The mistakes of a model, the worst first.

    Attributes:
        false: false positives, by score; missed: objects, by area; uncertain: detections, by their
            relative standard deviation, none where the model does not state it.
        hits: how many detections found an object.
    """

    false: list[Mistake]
    missed: list[Mistake]
    uncertain: list[Mistake]
    hits: int


def find_mistakes(
    annotations: Annotations, shown: Sequence[Detections], detections: Sequence[Detections]
) -> Mistakes:
    """Compare detections with the ground truth, at IoU 0.5 and within each class, best score first.

    Args:
        annotations: the `Annotations`.
        shown: a `Detections` for each of its images, in their order: those that count.
        detections: also those that score too low to be shown, one of which may be at a missed object.
    """
    false: list[Mistake] = []
    missed: list[Mistake] = []
    uncertain: list[Mistake] = []
    hits = 0
    for number, (picture, found, every) in enumerate(
        zip(annotations.pictures, shown, detections, strict=True)
    ):
        found = found[np.argsort(-found.confidence, kind="stable")]
        matched = match(picture, found, IOU, same_class=True)
        overlaps = box_iou(found.xyxy, picture.boxes)
        hits += int((matched >= 0).sum())
        alone = matched < 0
        for i in np.flatnonzero(alone & ~excused(picture, found, alone, IOU)):
            false.append(_false(number, picture, found, int(i), overlaps[i]))
        at = np.setdiff1d(np.arange(len(picture.labels)), matched)
        missed += _missed(number, picture, every, at)
        if found.edge_std is not None:
            uncertain += [
                _uncertain(number, picture, found, i, overlaps[i]) for i in range(len(found))
            ]
    for group in (false, missed, uncertain):
        group.sort(key=lambda one: -one.worth)
    return Mistakes(false, missed, uncertain, hits)


def pick(ranked: Sequence[Mistake], count: int) -> list[Mistake]:
    """Return the worst, of each class in turn, so that a frequent one does not take all places.

    Args:
        ranked: worst first.
        count: how many at most.
    """
    place: dict[int, int] = {}
    rounds = []
    for one in ranked:
        place[one.class_id] = place.get(one.class_id, -1) + 1
        rounds.append(place[one.class_id])
    chosen = sorted(range(len(ranked)), key=lambda i: (rounds[i], i))[:count]
    return [ranked[i] for i in sorted(chosen)]


def _false(
    number: int, picture: Picture, found: Detections, i: int, overlaps: np.ndarray
) -> Mistake:
    same = picture.labels == found.class_id[i]
    own, strange = (np.where(one, overlaps, 0.0).max(initial=0.0) for one in (same, ~same))
    kind = next(
        name
        for name, holds in (
            (DUPLICATE, own >= IOU), (WRONG_CLASS, strange >= IOU), (POOR_BOX, own >= NEAR),
            (BOTH, strange >= NEAR), (BACKGROUND, True),
        )
        if holds
    )  # fmt: skip
    meant = np.where(same == (kind in (DUPLICATE, POOR_BOX)), overlaps, -1.0)
    other = None if kind == BACKGROUND else _annotation(picture, meant)
    score = float(found.confidence[i])
    return Mistake(
        kind, number, _box(found.xyxy[i]), int(found.class_id[i]), score, score, other,
        None if found.edge_std is None else _box(found.edge_std[i]),
    )  # fmt: skip


def _missed(number: int, picture: Picture, every: Detections, at: np.ndarray) -> list[Mistake]:
    """Return the objects at the positions ``at``, each with the detection that overlaps most.

    A detection of its own class goes before others, and one below the threshold counts too.
    """
    overlaps = box_iou(picture.boxes[at], every.xyxy)
    lost = []
    for row, i in zip(overlaps, at.tolist(), strict=True):
        label = int(picture.labels[i])
        worth = np.where(row >= NEAR, row + (every.class_id == label), 0.0)
        other = None
        if worth.any():
            j = int(worth.argmax())
            box, score = _box(every.xyxy[j]), float(every.confidence[j])
            other = Other(box, int(every.class_id[j]), float(row[j]), score)
        box, area = _box(picture.boxes[i]), float(picture.areas[i])
        lost.append(Mistake(MISSED, number, box, label, None, area, other))
    return lost


def _uncertain(
    number: int, picture: Picture, found: Detections, i: int, overlaps: np.ndarray
) -> Mistake:
    assert found.edge_std is not None
    x0, y0, x1, y1 = _box(found.xyxy[i])
    sides = np.maximum([x1 - x0, y1 - y0, x1 - x0, y1 - y0], 1)
    same = picture.labels == found.class_id[i]
    return Mistake(
        UNCERTAIN, number, (x0, y0, x1, y1), int(found.class_id[i]), float(found.confidence[i]),
        float((found.edge_std[i] / sides).max()), _annotation(picture, np.where(same, overlaps, 0.0)),
        _box(found.edge_std[i]),
    )  # fmt: skip


def _annotation(picture: Picture, overlaps: np.ndarray) -> Other | None:
    """Return the annotation of the largest of ``overlaps``, None where none is above 0."""
    if overlaps.max(initial=0.0) <= 0:
        return None
    i = int(overlaps.argmax())
    return Other(_box(picture.boxes[i]), int(picture.labels[i]), float(overlaps[i]))


def _box(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
