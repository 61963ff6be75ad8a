"""Plots of a data set: sizes of images and boxes, aspects, places, classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nanodet.doctor.doctor import Diagnosis
from nanodet.doctor.examined import Examined
from nanodet.drawing.lettering import plot_label
from nanodet.evaluate.plots import log_scale, new_figure, save_figure

MOST_DOTS = 5000  # of a scatter diagram
MOST_BARS = 30  # classes
CELLS = 32  # of the map of places, along each side
COLOURS = {"data.train": "tab:blue", "data.val": "tab:orange"}


def plot_sizes(found: Diagnosis, path: Path) -> None:
    """Draw the boxes' widths and heights in the network's input, and the strides of its points."""
    figure, axes = new_figure(6, 5)
    for one in found.sets:
        if one.part not in found.unlearned:
            continue
        looked, lost = found.unlearned[one.part]
        some = np.random.default_rng(0).permutation(len(looked))[:MOST_DOTS]
        sides = np.maximum(one.sides[looked[some]], 0.5)
        colour = COLOURS[one.part]
        axes.scatter(
            sides[:, 0], sides[:, 1], s=5, alpha=0.4, color=colour, linewidths=0, label=one.part
        )
        none = sides[lost[some]]
        if len(none):
            label = f"{one.part}, no point learns it"
            axes.scatter(
                none[:, 0], none[:, 1], s=22, marker="x", linewidths=1, color="crimson", label=label
            )
    for stride in found.learner.strides if found.learner else ():
        axes.plot([0.5, stride, stride], [stride, stride, 0.5], color="0.5", linewidth=0.8)
        axes.annotate(f"stride {stride}", (stride, 0.55), rotation=90, fontsize=7, color="0.4")
    axes.set(xlabel="width in the input, pixels", ylabel="height in the input, pixels")
    axes.set_title("Boxes against strides")
    log_scale(axes, "xy")
    axes.legend(fontsize=8)
    save_figure(figure, path)


def plot_classes(sets: Sequence[Examined], path: Path) -> None:
    """Draw the number of boxes of each class, of the most frequent ones."""
    names = sets[0].names
    order = np.argsort(-sets[0].per_class, kind="stable")[:MOST_BARS]
    figure, axes = new_figure(6, 1.2 + 0.26 * len(order))
    high = 0.8 / len(sets)
    for n, one in enumerate(sets):
        count = dict(zip(one.names, one.per_class.tolist(), strict=True))
        values = [count.get(names[k], 0) for k in order]
        at = np.arange(len(order)) + n * high
        axes.barh(at, values, height=high, color=COLOURS[one.part], label=one.part)
    axes.set_yticks(np.arange(len(order)) + 0.4 - high / 2, [plot_label(names[k]) for k in order])
    axes.invert_yaxis()
    more = f", {MOST_BARS} of {len(names)} classes" if len(names) > MOST_BARS else ""
    axes.set(xlabel="boxes", title=f"Boxes per class{more}")
    axes.legend(fontsize=8)
    save_figure(figure, path)


def plot_aspects(sets: Sequence[Examined], path: Path) -> None:
    """Draw how many boxes have which ratio of width and height."""
    figure, axes = new_figure(6, 3.2)
    edges = np.geomspace(0.1, 10, 41)
    for one in sets:
        sides = one.boxes[:, 2:] - one.boxes[:, :2]
        ratio = np.clip(sides[:, 0] / np.maximum(sides[:, 1], 1e-6), edges[0], edges[-1])
        share = np.histogram(ratio, edges)[0] / max(len(ratio), 1)
        axes.stairs(100 * share, edges, color=COLOURS[one.part], label=one.part)
    axes.set(xlabel="width / height", ylabel="percent of the boxes", title="Aspect of the boxes")
    log_scale(axes, "x")
    axes.legend(fontsize=8)
    save_figure(figure, path)


def plot_images(sets: Sequence[Examined], path: Path) -> None:
    """Draw the sizes of the images; the area of a dot is the number of images of this size."""
    figure, axes = new_figure(6, 4)
    for one in sets:
        sizes, counts = np.unique(one.sizes, axis=0, return_counts=True)
        area = 8 + 300 * counts / counts.max()
        axes.scatter(
            sizes[:, 0], sizes[:, 1], s=area, alpha=0.4, color=COLOURS[one.part], label=one.part
        )
    axes.set(xlabel="width, pixels", ylabel="height, pixels", title="Sizes of the images")
    axes.set(xlim=(0, None), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, markerscale=0.5)
    save_figure(figure, path)


def plot_places(sets: Sequence[Examined], path: Path) -> None:
    """Draw in which parts of their images the boxes' centres lie."""
    figure, axes = new_figure(4.6, 4)
    centres = [
        (one.boxes[:, :2] + one.boxes[:, 2:]) / 2 / np.maximum(one.sizes[one.owner], 1)
        for one in sets
    ]
    x, y = np.concatenate(centres).T
    counts = np.histogram2d(y, x, CELLS, ((0, 1), (0, 1)))[0]
    shown = axes.imshow(counts, cmap="magma", extent=(0, 1, 1, 0))
    figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, label="boxes")
    axes.set(xlabel="part of the width", ylabel="part of the height")
    axes.set_title("Where the centres of the boxes lie")
    save_figure(figure, path)
