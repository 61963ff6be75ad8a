"""Plots and tables of a run: precision over recall, confusion, losses and AP, AP per class."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanodet.drawing.lettering import plot_label, readable_names
from nanodet.errors import NanodetError
from nanodet.evaluate.bootstrap import text
from nanodet.evaluate.coco_metrics import Metrics
from nanodet.evaluate.confusion import SCORE
from nanodet.evaluate.greedy_matching import IOU
from nanodet.evaluate.score_curves import ScoreCurve
from nanodet.files import StrPath
from nanodet.files.files import replacing, write_text
from nanodet.files.inputs import METRICS, read_text
from nanodet.text.printable import printable

if TYPE_CHECKING:  # matplotlib is optional
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 12  # up to this many classes get a colour and a name each
STEPS = "steps-post"  # from a score down to the next one, a threshold keeps the same detections
DPI = 130

Curve = tuple[np.ndarray, np.ndarray, np.ndarray]  # steps, epochs, values


def plot_precision_recall(metrics: Metrics, path: StrPath) -> None:
    """Draw precision over recall at IoU 0.5, of each class and as the mean over classes.

    With more than a dozen classes, their curves are the grey background of the means at
    IoU 0.5, at 0.75 and over 0.50 to 0.95.

    Args:
        metrics: `Metrics` with ``ap_per_class``.
        path: the PNG to write.
    """
    figure, axes = new_figure(7, 5)
    recalls, precision = metrics.recalls, metrics.precision
    names = _labels([row.name for row in metrics.ap_per_class])
    present = np.flatnonzero((precision[0] > -1).any(axis=0))
    few = len(present) <= FEW
    for i in present:
        row = metrics.ap_per_class[i]
        label = f"{names[i]}, IoU 0.50: {row.AP50:.1f}" if few else None
        width, colour = (1.2, _colour(int(i))) if few else (0.5, "0.8")
        axes.plot(recalls, precision[0, :, i], label=label, linewidth=width, color=colour)
    if len(present):
        for name, values, value in (
            ("IoU 0.50", precision[0], metrics.AP50),
            ("IoU 0.75", precision[5], metrics.AP75),
            ("IoU 0.50:0.95", precision.mean(axis=0), metrics.AP),
        ):
            style = {"IoU 0.50": "-", "IoU 0.75": "--"}.get(name, ":")
            mean = values[:, present].mean(axis=1)
            label = f"all classes, {name}: {value:.1f}"
            axes.plot(recalls, mean, style, color="black", linewidth=2, label=label)
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    else:
        axes.text(0.5, 0.5, "no objects in the annotations", ha="center", transform=axes.transAxes)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(f"Precision and recall, {metrics.images} images" + _more(len(present), few))
    axes.grid(alpha=0.3)
    save_figure(figure, path)


def plot_score_curves(
    curves: Sequence[ScoreCurve],
    together: ScoreCurve,
    path: StrPath,
    scores: Sequence[float] | None = None,
) -> None:
    """Draw precision, recall and F1 over the score threshold, of each class and of all together.

    Args:
        curves: of the classes, in order of the class index; together: of all.
        path: the PNG to write.
        scores: the threshold of each class, shown as dots; None for none.
    """
    figure, axes = new_figure(15, 4.5)
    figure.clear()
    names = _labels([curve.name for curve in curves])
    present = [i for i, curve in enumerate(curves) if curve.objects and len(curve.score)]
    few = len(present) <= FEW
    for axes, measure in zip(figure.subplots(1, 3), ("precision", "recall", "f1"), strict=True):
        for i in present:
            width, colour = (1.2, _colour(i)) if few else (0.5, "0.8")
            values = getattr(curves[i], measure)
            label = names[i] if few else None
            axes.plot(
                curves[i].score, values, label=label, linewidth=width, color=colour, drawstyle=STEPS
            )
            entry = None if scores is None else curves[i].at(scores[i])
            if scores is not None and entry is not None:
                axes.plot(scores[i], values[entry], ".", color=_colour(i) if few else "0.5")
        axes.plot(
            together.score,
            getattr(together, measure),
            drawstyle=STEPS,
            color="black",
            linewidth=2,
            label=together.name,
        )
        axes.set(
            xlabel="score threshold",
            ylabel=measure.replace("f1", "F1"),
            xlim=(0, 1),
            ylim=(0, 1.02),
        )
        axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    grey = "" if few else f"; grey: each of {len(present)} classes"
    figure.suptitle("Above a score threshold, at IoU 0.50" + grey)
    save_figure(figure, path)


def plot_confusion(
    matrix: np.ndarray,
    class_names: Sequence[str],
    path: StrPath,
    iou: float = IOU,
    score: float = SCORE,
) -> None:
    """Draw a confusion matrix, each row as fractions of its objects.

    Args:
        matrix: int (classes + 1, classes + 1) of `nanodet.evaluate.confusion.confusion_matrix`.
        class_names: the name of each class.
        path: the PNG to write.
        iou, score: what the matrix was counted with; the title names them.
    """
    names = [*_labels(class_names), "background"]
    count = len(names)
    parts = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(count * (0.55 if count <= FEW else 0.19), 3.5, 40))
    longest = max(map(len, names)) * 0.08
    figure, axes = new_figure(side + longest + 1.5, side + longest + 0.8)
    shown = axes.imshow(parts, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, label="fraction of the row")
    size = 9 if count <= FEW + 1 else 7
    axes.set_xticks(range(count), names, rotation=90, fontsize=size)
    axes.set_yticks(range(count), names, fontsize=size)
    axes.set(xlabel="detected as", ylabel="annotated as")
    axes.set_title(f"Confusion matrix\nscore above {score:g}, IoU at least {iou:g}")
    if count > FEW + 1:
        axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="0.92", linewidth=0.4)
        axes.tick_params(which="minor", length=0)
    for row, column in np.argwhere(matrix > 0):
        if count <= 40 or parts[row, column] >= 0.1:
            ink = "white" if parts[row, column] > 0.55 else "black"
            text = _short(matrix[row, column])
            small = 8 if count <= FEW + 1 else 5
            axes.text(column, row, text, ha="center", va="center", fontsize=small, color=ink)
    save_figure(figure, path)


def plot_curves(metrics_csv: StrPath, path_loss: StrPath, path_ap: StrPath) -> list[Path]:
    """Draw losses, learning rate and AP over a training.

    Args:
        metrics_csv: a file with the columns ``step``, ``epoch``, ``train/loss``,
            ``train/*loss_*``, ``train/lr``, ``val/AP`` and ``val/AP*`` (percent); cells may be
            empty, columns missing.
        path_loss, path_ap: the PNGs to write.

    Returns:
        the paths written: a plot without a single value is left out.
    """
    curves = read_curves(metrics_csv)
    losses = {name: c for name, c in curves.items() if name.startswith("train/") and "loss" in name}
    values = {name: c for name, c in curves.items() if name.startswith("val/AP")}
    written = []
    if losses:
        figure, axes = new_figure(8, 4.5)
        for name, (steps, _, points) in losses.items():
            width = 2.2 if name == "train/loss" else 1.2
            (line,) = axes.plot(steps, smooth(points), linewidth=width, label=name[6:])
            if len(points) > 1:
                axes.plot(steps, points, linewidth=0.5, alpha=0.25, color=line.get_color())
        top = np.concatenate([points for *_, points in losses.values()])
        axes.set(xlabel="step", ylabel="loss", title="Training", ylim=(0, ceiling(top)))
        handles, names = axes.get_legend_handles_labels()
        front = axes
        if "train/lr" in curves:
            front = right = axes.twinx()
            steps, _, points = curves["train/lr"]
            handles += right.plot(steps, points, ":", color="0.5", linewidth=1.2)
            names.append("learning rate")
            right.set(ylabel="learning rate", ylim=(0, None))
        front.legend(handles, names, fontsize=8, loc="upper right", framealpha=0.9)
        axes.grid(alpha=0.3)
        save_figure(figure, path_loss)
        written.append(Path(path_loss))
    if values:
        figure, axes = new_figure(8, 4.5)
        for name, (_, epochs, points) in values.items():
            width = 2.2 if name == "val/AP" else 1.2
            label = f"{name[4:]}: last {points[-1]:.1f}, best {points.max():.1f}"
            axes.plot(epochs, points, "o-", markersize=3, linewidth=width, label=label)
        axes.set(xlabel="epoch", ylabel="percent", title="Validation", ylim=(0, None))
        locator: Any = axes.xaxis.get_major_locator()
        locator.set_params(integer=True)
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
        axes.grid(alpha=0.3)
        save_figure(figure, path_ap)
        written.append(Path(path_ap))
    return written


def write_class_table(metrics: Metrics, path: StrPath) -> None:
    """Write AP and AP50 of each class and of all as a Markdown table, best class first."""
    rows = metrics.ap_per_class
    ranked = sorted(range(len(rows)), key=lambda i: 1 if (ap := rows[i].AP) is None else -ap)
    objects = sum(row.objects for row in rows)
    lines = ["| class | objects | AP | AP50 |", "|---|---:|---:|---:|"]
    values = (with_interval(metrics, name) for name in ("AP", "AP50"))
    lines.append(f"| **all** | {objects} | {' | '.join(values)} |")
    for i in ranked:
        name = printable(rows[i].name).replace("|", "\\|")
        lines.append(f"| {name} | {rows[i].objects} | {' | '.join(class_values(metrics, i))} |")
    write_text(path, "\n".join(lines) + "\n")


def percent(value: float | None) -> str:
    """Return a value in percent with two digits, ``-`` for None."""
    return text(value, None)


def with_interval(metrics: Metrics, name: str) -> str:
    """Return one of `SUMMARY` as text, with its interval if that is known."""
    found = metrics.intervals
    return text(getattr(metrics, name), found.summary[name] if found else None)


def class_values(metrics: Metrics, index: int) -> tuple[str, str]:
    """Return AP and AP50 of a class as text, with their intervals if these are known."""
    row, found = metrics.ap_per_class[index], metrics.intervals
    return (
        text(row.AP, found.AP[index] if found else None),
        text(row.AP50, found.AP50[index] if found else None),
    )


def new_figure(width: float, height: float) -> tuple["Figure", "Axes"]:
    """Return a figure without pyplot, whose global state other threads and notebooks share."""
    try:
        from matplotlib.figure import Figure

        from nanodet.drawing.canvas import AnyScriptCanvas
    except ImportError as error:
        raise NanodetError(
            f"plots need matplotlib ({error}); install it with: pip install matplotlib"
        ) from None
    figure = Figure(figsize=(width, height))
    AnyScriptCanvas(figure)
    return figure, figure.add_subplot()


def _labels(class_names: Sequence[str]) -> list[str]:
    return [plot_label(name) for name in readable_names(tuple(class_names))]


def log_scale(axes: "Axes", which: str) -> None:
    """Make axes logarithmic, with plain numbers at ticks that leave room for them.

    Args:
        axes: with everything drawn: the ticks depend on its limits.
        which: ``x``, ``y`` or ``xy``.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    for letter in which:
        axes.set(**{f"{letter}scale": "log"})
        axis = getattr(axes, f"{letter}axis")
        low, high = axis.get_view_interval()
        steps = (1, 2, 5) if high > 5 * low else range(1, 10)  # a short axis has room for all
        axis.set_major_locator(LogLocator(subs=steps))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


def save_figure(figure: "Figure", path: StrPath) -> None:
    """Write a figure as PNG, completely or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, bbox_inches="tight")


def _colour(class_id: int) -> tuple[float, ...]:
    """Return the colour that boxes of this class have, darkened to show on white."""
    from nanodet.drawing.draw import class_colour

    return tuple(0.85 * v / 255 for v in reversed(class_colour(class_id)))


def _more(classes: int, few: bool) -> str:
    return "" if few else f", {classes} classes (grey: each at IoU 0.50)"


def _short(number: int) -> str:
    return str(number) if number < 10_000 else f"{number / 1000:.0f}k"


def read_curves(path: StrPath) -> dict[str, Curve]:
    """Return {column: (steps, epochs, values)} of the cells that hold a finite number."""
    cells = defaultdict(list)
    try:
        lines = read_text(path, METRICS).splitlines()
        for number, row in enumerate(csv.DictReader(lines)):
            step, epoch = _number(row.get("step")), _number(row.get("epoch"))
            for name, text in row.items():
                value = _number(text)
                if name and value is not None:
                    at = number if step is None else step
                    cells[name].append((at, at if epoch is None else epoch, value))
    except (UnicodeDecodeError, csv.Error) as error:
        raise NanodetError(f"{path}: cannot read these metrics ({error})") from None
    return {name: tuple(np.array(points, float).T) for name, points in cells.items()}


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def smooth(values: np.ndarray, part: float = 0.02) -> np.ndarray:
    """Return the mean over a window of ``part`` of the curve, shorter at its ends."""
    half = int(len(values) * part / 2)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def ceiling(values: np.ndarray) -> float:
    """Return an upper limit that ignores a few early spikes."""
    return max(1.15 * float(np.quantile(values, 0.995)), 1e-6)
