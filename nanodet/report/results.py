"""The parts of a report on how good a model is: AP, thresholds, confusion and mistakes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nanodet.data.records import Annotations
from nanodet.evaluate.bootstrap import Interval
from nanodet.evaluate.coco_metrics import AREAS, SUMMARY, Metrics, counts_for, match_at_50
from nanodet.evaluate.confusion import confusion_matrix
from nanodet.evaluate.greedy_matching import IOU
from nanodet.evaluate.plots import percent
from nanodet.evaluate.score_curves import ScoreCurve, score_curves
from nanodet.pages.charts import Line, line_chart, span
from nanodet.pages.markup import Cell, escape, literal
from nanodet.pages.page import Page
from nanodet.report.mistakes import FALSE, MEANINGS, MISSED, Mistakes, find_mistakes
from nanodet.runtime.detections import Detections
from nanodet.runtime.spec import Spec

GRID = np.round(np.linspace(0, 1, 101), 2)  # scores at which curves are drawn
MATRIX = 24  # classes of which the whole matrix is shown; of more, the largest confusions
CONFUSED = 30
NAMES = {
    "AP": "AP", "AP50": "AP at IoU 0.50", "AP75": "AP at IoU 0.75", "APs": "AP of small objects",
    "APm": "AP of medium objects", "APl": "AP of large objects",
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What was measured on annotated images.

    Attributes:
        annotations: the images; source: which, in words.
        metrics: AP and, of it and per class, intervals.
        curves: of each class; every: of all classes together.
        thresholds: float32 (classes,), the scores of the model.
        shown: the curve of each class from the detections that the model shows.
        matrix: int (classes + 1, classes + 1), the confusion at the thresholds.
        mistakes: at the thresholds.
    """

    annotations: Annotations
    source: str
    metrics: Metrics
    curves: list[ScoreCurve]
    every: ScoreCurve
    thresholds: np.ndarray
    shown: list[ScoreCurve]
    matrix: np.ndarray
    mistakes: Mistakes

    @property
    def one_threshold(self) -> bool:
        """Whether all classes have the same."""
        return len(np.unique(self.thresholds)) == 1

    @property
    def areas(self) -> np.ndarray:
        """The areas of all objects in square pixels, float (N,)."""
        return np.concatenate([np.zeros(0), *(p.areas for p in self.annotations.pictures)])


class At(NamedTuple):
    """What the thresholds let through: how many, and parts 0..1, None where they are undefined."""

    detections: int
    precision: float | None
    recall: float | None


def measured_of(
    spec: Spec,
    annotations: Annotations,
    detections: Sequence[Detections],
    shown: Sequence[Detections],
    metrics: Metrics,
    source: str,
) -> Measured:
    """Return what a report says about detections.

    Args:
        spec: of the file to hand over.
        annotations: the images.
        detections: a `Detections` for each of them, with the thresholds for evaluation; shown: with those
            of the spec.
        metrics: of the former.
        source: which images, in words.
    """
    names = annotations.class_names
    return Measured(
        annotations, source, metrics, *score_curves(metrics.matches, detections, names),
        spec.scores_of(np.arange(len(names))),
        score_curves(match_at_50(annotations, shown), shown, names)[0],
        confusion_matrix(annotations, shown, score=0.0),
        find_mistakes(annotations, shown, detections),
    )  # fmt: skip


def at_threshold(curves: Sequence[ScoreCurve], thresholds: Sequence[float]) -> At:
    """Return precision and recall of the detections above the thresholds, over all curves."""
    found = hits = 0.0
    for curve, score in zip(curves, thresholds, strict=True):
        entry = curve.at(score)
        if entry is not None:
            found += curve.detections[entry]
            hits += curve.detections[entry] * curve.precision[entry]
    objects = sum(curve.objects for curve in curves)
    return At(int(found), hits / found if found else None, hits / objects if objects else None)


def add_ap(page: Page, measured: Measured) -> None:
    """Add AP, of all and per class and size, with intervals."""
    metrics, found = measured.metrics, measured.metrics.intervals
    areas = measured.areas
    rows: list[list[str | Cell]] = []
    for name in SUMMARY:
        count = int(counts_for(name, areas).sum())
        interval = None if found is None else found.summary[name]
        rows.append([NAMES[name], f"{count:,}", *_value(getattr(metrics, name), interval)])
    page.table(["", "objects", "percent", "95 % interval", ""], rows)
    page.note(
        "COCO's AP: the mean over classes, recalls and IoU 0.50 to 0.95. Small: up to 32 x 32 pixels, "
        "medium: up to 96 x 96, large: above. The interval says how far AP may be off because the images are "
        "few: a bootstrap over the images (`nanodet eval` prints the same)."
    )
    if metrics.crowd is not None:
        page.subheading("As CrowdHuman measures")
        rows = [
            [literal(one.name), f"{one.objects:,}", *map(percent, (one.AP, one.MR, one.JI))]
            for one in metrics.crowd.classes
        ]
        page.table(["class", "objects", "AP", "MR^-2 (less is better)", "JI"], rows)
    page.subheading("Per class")
    rows = []
    for i, row in enumerate(metrics.ap_per_class):
        at_50 = "-" if row.AP50 is None else f"{row.AP50:.1f}"
        interval = None if found is None else found.AP[i]
        rows.append([literal(row.name), f"{row.objects:,}", *_value(row.AP, interval), at_50])
    head = ["class", "objects", "AP", "95 % interval", "", "AP50"]
    page.table(head, rows, sortable=len(rows) > 1)


def add_thresholds(page: Page, measured: Measured) -> None:
    """Add precision, recall and F1 over the score, of all classes and of each."""
    common = float(measured.thresholds[0]) if measured.one_threshold else None
    curves = [("all classes", measured.every, common)] if len(measured.curves) > 1 else []
    curves += [
        (curve.name, curve, float(score))
        for curve, score in zip(measured.curves, measured.thresholds, strict=True)
    ]
    panels: dict[str, Page] = {}
    for name, curve, score in curves:
        if len(curve.score):
            while name in panels:  # a class may be called like all of them
                name += " "
            panels[name] = Page("")
            _add_curve(panels[name], curve, score)
    if not panels:
        page.text("The model detects nothing on these images.")
        return
    page.choice("Class", panels)
    page.subheading("At the model's thresholds")
    rows: list[list[str | Cell]] = []
    for curve, own, score in zip(
        measured.curves, measured.shown, measured.thresholds.tolist(), strict=True
    ):
        entry = own.at(score)
        cells = ["-", "-", "-"]
        if entry is not None:
            recall = _part(own.interval("recall", entry)) if own.objects else "-"
            cells = [_part(own.interval("precision", entry)), recall, f"{own.f1[entry]:.3f}"]
        best = "-"
        if curve.objects and len(curve.f1):
            top = int(curve.f1.argmax())
            best = f"{curve.f1[top]:.3f} at {curve.score[top]:.2f}"
        rows.append([literal(curve.name), f"{score:.2f}", *cells, best])
    head = ["class", "threshold", "precision", "recall", "F1", "best F1"]
    page.table(head, rows, sortable=len(rows) > 1)
    page.note(
        f"At IoU {IOU:g}; in brackets 95 % intervals. A best F1 that was chosen on these images is a little "
        "too good on others. `nanodet eval --wish` writes thresholds per class into the spec."
    )


def add_confusion(page: Page, measured: Measured) -> None:
    """Add the kinds of mistakes and the confusion matrix."""
    mistakes = measured.mistakes
    kinds = Counter(one.kind for one in mistakes.false)
    rows: list[list[str | Cell]] = [
        ["found", "an object, by a detection of its class", f"{mistakes.hits:,}"],
        [MISSED, "an object without a detection of its class", f"{len(mistakes.missed):,}"],
    ]
    rows[1:1] = [[kind, MEANINGS[kind], f"{kinds[kind]:,}"] for kind in FALSE]
    page.table(["kind", "which is", "number"], rows, left=2)
    page.note(
        "At the model's thresholds. The kinds of false positives are those of TIDE (Bolya et al., ECCV 2020)."
    )
    _add_missed(page, measured)
    names = [*measured.annotations.class_names, "background"]
    if len(names) - 1 <= MATRIX:
        page.subheading("Confusion matrix")
        page.add("", _matrix(measured.matrix, names))
        page.note(
            "Rows: what is annotated; columns: what it was detected as. The last row has false positives, "
            "the last column missed objects. The shade of a cell is its part of the row."
        )
        return
    largest = [
        (int(measured.matrix[a, b]), names[a], names[b])
        for a, b in np.argwhere(measured.matrix > 0)
        if a != b and max(a, b) < len(names) - 1
    ]
    if not largest:
        return
    largest.sort(key=lambda one: -one[0])
    page.subheading("Confusions of classes")
    page.table(
        ["annotated as", "detected as", "number"],
        [[literal(a), literal(b), str(count)] for count, a, b in largest[:CONFUSED]],
        left=2, sortable=True,
    )  # fmt: skip
    page.note(f"The {min(CONFUSED, len(largest))} largest of {len(largest)} confusions of classes.")


def _add_missed(page: Page, measured: Measured) -> None:
    """Add how many objects of each size were missed."""
    lost = np.array([one.worth for one in measured.mistakes.missed])
    rows: list[list[str | Cell]] = []
    for name in AREAS:
        every, missed = (int(counts_for(name, one).sum()) for one in (measured.areas, lost))
        if every:
            words = NAMES[name].removeprefix("AP of ")
            rows.append([words, f"{every:,}", f"{missed:,}", f"{100 * missed / every:.1f} %"])
    page.table(["missed, by size", "objects", "missed", ""], rows)


def _add_curve(page: Page, curve: ScoreCurve, score: float | None) -> None:
    # the entry of the lowest score that is at least that of the grid; none above the best detection
    entry = np.searchsorted(-curve.score, -GRID, side="right") - 1
    lines = []
    for number, name in enumerate(("precision", "recall", "f1")):
        values = np.where(entry >= 0, getattr(curve, name)[np.maximum(entry, 0)], np.nan)
        values[curve.score[-1] - 0.02 > GRID] = np.nan  # detections below were not asked for
        lines.append(Line("F1" if name == "f1" else name, GRID, values, number))
    marks = [] if score is None else [(score, f"threshold {score:.2f}")]
    words = f"Of the detections that score at least x; {curve.objects:,} objects"
    page.drawing(line_chart(lines, "score", "", (0, 1), (0, 1), marks), words)


def _value(value: float | None, interval: Interval | None) -> list[str | Cell]:
    """Return the cells of a value in percent: it, its interval in digits, and drawn."""
    if value is None:
        return ["-", "", ""]
    if interval is None:
        return [f"{value:.1f}", "", span(value, value, value)]
    words = f"{interval.low:.1f} .. {interval.high:.1f}"
    return [f"{value:.1f}", words, span(value, interval.low, interval.high)]


def _part(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.2f} .. {interval.high:.2f})"


def _matrix(matrix: np.ndarray, names: Sequence[str]) -> str:
    """Return a confusion matrix as a table of shaded cells."""
    parts = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    head = "".join(f'<th class="number" scope="col">{escape(name)}</th>' for name in names)
    rows = []
    for i, name in enumerate(names):
        cells = "".join(
            f'<td class="number" style="--part:{parts[i, j]:.3f};--hue:var(--{"c0" if i == j else "wrong"})">'
            f"{matrix[i, j] or ''}</td>"
            for j in range(len(names))
        )
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return (
        f'<div class="scroll"><table class="matrix"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
