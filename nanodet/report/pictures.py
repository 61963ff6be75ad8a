"""The images of a report: the worst mistakes, with the boxes around them."""

from collections.abc import Sequence

import numpy as np

from nanodet.data.picture import load_picture
from nanodet.data.records import Annotations
from nanodet.evaluate.overlap import box_iou
from nanodet.pages.gallery import Gallery, Mark
from nanodet.report.mistakes import (
    BACKGROUND,
    DUPLICATE,
    MISSED,
    UNCERTAIN,
    Mistake,
    Mistakes,
    pick,
)
from nanodet.runtime.detections import Detections

SHARES = {"false": 0.4, MISSED: 0.4, UNCERTAIN: 0.2}  # of the images
LABELLED = (
    12  # boxes on an image of which all get a label; of more, those that touch the one in question
)


def choose_mistakes(found: Mistakes, count: int) -> list[Mistake]:
    """Return the worst mistakes of all kinds, ``count`` at most; what one kind lacks others get."""
    groups = {"false": found.false, MISSED: found.missed, UNCERTAIN: found.uncertain}
    taken = {name: min(len(group), round(count * SHARES[name])) for name, group in groups.items()}
    for name, group in groups.items():
        taken[name] = min(len(group), taken[name] + max(count - sum(taken.values()), 0))
    return [one for name, group in groups.items() for one in pick(group, taken[name])][:count]


def add_pictures(
    gallery: Gallery,
    chosen: Sequence[Mistake],
    annotations: Annotations,
    detections: Sequence[Detections],
    thresholds: np.ndarray,
) -> None:
    """Add the images of mistakes to a gallery.

    Args:
        gallery: of a page.
        chosen: the mistakes, in their order.
        annotations: the `Annotations`.
        detections: a `Detections` for each of its images.
        thresholds: float (classes,): detections below them are not drawn.
    """
    names = annotations.class_names
    last: tuple[int, np.ndarray] | None = None
    for one in chosen:
        record, every = annotations.pictures[one.image], detections[one.image]
        if last is None or last[0] != one.image:
            last = one.image, load_picture(record)
        shown = every[every.confidence > thresholds[every.class_id]]
        truth = Detections(record.boxes, np.ones(len(record.boxes)), record.labels)
        marks = [
            *_marks(truth, "truth", one, names),
            *_marks(shown, "found", one, names),
            *_in_question(one, names, thresholds),
        ]
        gallery.add(
            last[1], marks, _title(one, names), f"{record.path.name}: {_facts(one, names)}",
            kind=one.kind, group=names[one.class_id], score=one.score, key=one.image,
        )  # fmt: skip


def _marks(boxes: Detections, kind: str, one: Mistake, names: Sequence[str]) -> list[Mark]:
    """Return the marks of all boxes but that in question; those around it, or all of few, have labels."""
    touching = box_iou(boxes.xyxy, np.array([one.box]))[:, 0]
    own = (kind == "truth") == (one.kind == MISSED)
    marks = []
    for i, box in enumerate(boxes.xyxy):
        class_id = int(boxes.class_id[i])
        if own and class_id == one.class_id and np.allclose(box, one.box, atol=0.01):
            continue
        label = ""
        if len(boxes) <= LABELLED or touching[i] > 0:
            label = names[class_id]
            label += f" {boxes.confidence[i]:.2f}" if kind == "found" else ""
        marks.append(Mark(box.tolist(), kind, label))
    return marks


def _in_question(one: Mistake, names: Sequence[str], thresholds: np.ndarray) -> list[Mark]:
    """Return the mark of the box in question, and of a detection below the threshold that it needs."""
    if one.kind == MISSED:
        marks = [Mark(one.box, "missed", names[one.class_id], focus=True)]
        if one.other is not None and one.other.score <= thresholds[one.other.class_id]:
            label = f"{names[one.other.class_id]} {one.other.score:.2f}"
            marks.insert(0, Mark(one.other.box, "found", label))
        return marks
    label = f"{names[one.class_id]} {one.score:.2f}"
    kind = "found" if one.kind == UNCERTAIN else "wrong"
    return [Mark(one.box, kind, label, one.spread, focus=True)]


def _title(one: Mistake, names: Sequence[str]) -> str:
    name = names[one.class_id]
    if one.kind == MISSED:
        side = one.worth**0.5
        return f"{name}, about {side:.0f} px"
    if one.kind == UNCERTAIN:
        return f"{name} {one.score:.2f}, ±{100 * one.worth:.0f}\u00a0%"
    return f"{name} {one.score:.2f}"


def _facts(one: Mistake, names: Sequence[str]) -> str:
    """Return a sentence on why a box is here."""
    other = one.other
    if one.kind == MISSED:
        if other is None:
            return "no detection overlaps it, at any score"
        name = names[other.class_id]
        return f"nearest detection {name} {other.score:.2f}, IoU {other.iou:.2f}"
    if one.kind == UNCERTAIN:
        assert one.spread is not None
        stds = " ".join(f"{value:.1f}" for value in one.spread)
        truth = "no annotation of its class there" if other is None else f"true IoU {other.iou:.2f}"
        return f"standard deviations of left, top, right, bottom {stds} px; {truth}"
    if one.kind == BACKGROUND or other is None:
        return "background: no annotation there"
    words = f"{one.kind}: IoU {other.iou:.2f} with an annotated {names[other.class_id]}"
    return words + (" that a better detection has found" if one.kind == DUPLICATE else "")
