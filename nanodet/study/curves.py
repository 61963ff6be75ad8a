"""Curves of a study: the losses over the steps, and the differences from the baseline."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nanodet.drawing.lettering import plot_label
from nanodet.evaluate.plots import ceiling, log_scale, new_figure, read_curves, save_figure, smooth
from nanodet.files import StrPath
from nanodet.study.results import Outcome
from nanodet.study.statistics import Difference
from nanodet.train.outputs import METRICS

WINDOW = 0.1  # of a curve, over which it is smoothed
WIDE = 4  # largest value over the smallest of a plot with a linear axis
_PREFIX = "train/"

Curve = tuple[np.ndarray, np.ndarray]  # steps, values
Losses = dict[str, dict[str, Curve]]  # name of the loss, variant


def mean_losses(outcomes: Iterable[Outcome]) -> Losses:
    """Return the curves of every named loss, as the mean over the finished runs of each variant.

    Losses that are 0 throughout, such as those with a weight of 0, are left out.
    """
    found: dict[str, dict[str, list[Curve]]] = defaultdict(lambda: defaultdict(list))
    for one in outcomes:
        path = one.run.folder / METRICS
        if one.result is None or not path.is_file():
            continue
        for name, (steps, _, values) in read_curves(path).items():
            if name.startswith(_PREFIX) and "loss_" in name and values.any():
                found[name.removeprefix(_PREFIX)][one.run.variant].append((steps, values))
    return {
        name: {variant: _mean(curves) for variant, curves in variants.items()}
        for name, variants in found.items()
    }


def _mean(curves: list[Curve]) -> Curve:
    """Return the mean of curves at the steps that all of them have."""
    steps = curves[0][0]
    for other, _ in curves[1:]:
        steps = np.intersect1d(steps, other)
    values = [values[np.isin(own, steps)] for own, values in curves]
    return steps, np.mean(values, axis=0)


def plot_losses(
    curves: Mapping[str, Curve], variants: Sequence[str], title: str, path: StrPath
) -> None:
    """Draw one loss of all variants over the steps, smoothed over `WINDOW` of them.

    Args:
        curves: variant to steps and values, at least one.
        variants: names in order, which give the colours: the same in all plots.
        title: of the plot.
        path: the PNG to write.
    """
    figure, axes = new_figure(8, 4.5)
    drawn = []
    for number, variant in enumerate(variants):
        if variant in curves:
            steps, values = curves[variant]
            drawn.append(smooth(values, WINDOW))
            axes.plot(
                steps, drawn[-1], "o-" if len(steps) == 1 else "-",  # one point has no line
                color=f"C{number}", linewidth=1.6, label=plot_label(variant),
            )  # fmt: skip
    low, high = (float(find(np.concatenate(drawn))) for find in (np.min, np.max))
    axes.set(xlabel="step", ylabel="loss", title=title)
    if low > 0 and high > WIDE * low:  # otherwise the end, which is compared, would be flat
        log_scale(axes, "y")
    else:
        axes.set_ylim(0, ceiling(np.concatenate(drawn)))
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    axes.grid(alpha=0.3, which="both")
    save_figure(figure, path)


def plot_differences(
    differences: Mapping[str, Difference], title: str, unit: str, path: Path
) -> None:
    """Draw the difference of every variant from the baseline with its interval.

    Args:
        differences: variant to `Difference`.
        title, unit: of the plot and its axis.
        path: the PNG to write.
    """
    figure, axes = new_figure(8, 1.3 + 0.4 * len(differences))
    for row, one in enumerate(differences.values()):
        axes.errorbar(one.mean, row, xerr=one.half, fmt="o", capsize=4, color="#4c72b0")
    axes.axvline(0, color="0.4", linewidth=1)
    axes.set_yticks(range(len(differences)), [plot_label(name) for name in differences])
    axes.set(xlabel=unit, title=title, ylim=(len(differences) - 0.5, -0.5))
    axes.grid(axis="x", alpha=0.3)
    save_figure(figure, path)
