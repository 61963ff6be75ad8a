"""Plots of scores and edges against the truth: what ``nanodet eval --plots`` draws."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nanodet.data.records import Annotations
from nanodet.evaluate.correlation import pearson
from nanodet.evaluate.greedy_matching import IOU, match
from nanodet.evaluate.overlap import box_iou
from nanodet.evaluate.plots import log_scale, new_figure, save_figure
from nanodet.evaluate.uncertainty import Edges, matched_edges, measure
from nanodet.files import StrPath
from nanodet.runtime.decode import points_of
from nanodet.runtime.detections import Detections
from nanodet.runtime.detector import Detector
from nanodet.runtime.fit import place

MOST_DOTS = 5000  # of a scatter diagram
PLOTS = SCORE_IOU, TARGETS, SIGMA = "score_iou.png", "regression_targets.png", "sigma_error.png"


def plot_edges(
    detector: Detector, annotations: Annotations, detections: Sequence[Detections], folder: StrPath
) -> list[Path]:
    """Draw predicted score against true IoU, and for models that output no boxes, edges.

    Args:
        detector: what found them.
        annotations: the `Annotations`.
        detections: a `Detections` for each of its images, in their order.
        folder: for the PNG files.

    Returns:
        the files written.
    """
    folder, spec = Path(folder), detector.spec
    plot_score_iou(*scores_and_ious(annotations, detections), folder / SCORE_IOU)
    written = [folder / SCORE_IOU]
    if spec.form != "boxes":
        targets = regression_targets(detector, annotations, detections)
        plot_targets(targets, spec.reg_max, folder / TARGETS)
        written.append(folder / TARGETS)
        if spec.box_code.has_variance:
            edges = matched_edges(annotations, detections, spec)
            plot_sigma(edges, spec.strides, folder / SIGMA)
            written.append(folder / SIGMA)
    return written


def scores_and_ious(
    annotations: Annotations, detections: Sequence[Detections]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the score (N,) of each detection and its largest IoU (N,) with an object of its class."""
    scores, ious = [np.zeros(0)], [np.zeros(0)]
    for picture, found in zip(annotations.pictures, detections, strict=True):
        same = found.class_id[:, None] == picture.labels[None]
        overlaps = np.where(same, box_iou(found.xyxy, picture.boxes), 0.0)
        scores.append(found.confidence.astype(np.float64))
        ious.append(overlaps.max(axis=1, initial=0.0))
    return np.concatenate(scores), np.concatenate(ious)


def regression_targets(
    detector: Detector, annotations: Annotations, detections: Sequence[Detections]
) -> np.ndarray:
    """Return the distances (N, 4) that the points of matched detections should have predicted.

    They are those from the point that a detection was decoded from to the annotated edges, in strides;
    negative where the point is outside the object. Detections count down to the least score of an
    evaluation, because those that training assigns to an object are not known here.
    """
    spec, targets = detector.spec, [np.zeros((0, 4))]
    for picture, found in zip(annotations.pictures, detections, strict=True):
        objects = match(picture, found, IOU, same_class=True)
        if found.point is None:
            raise ValueError("these detections have no point")
        placement = place(detector.fit, (picture.width, picture.height), detector.size)
        sizes = tuple(spec.level_sizes(placement.canvas))
        x, y, unit, _ = points_of(sizes, tuple(spec.strides), spec.point_offset)
        point = found.point[objects >= 0]
        truth = placement.to_network(picture.boxes[objects[objects >= 0]].astype(np.float64))
        outwards = np.array([-1, -1, 1, 1])
        centre = np.stack([x[point], y[point]] * 2, axis=1)
        targets.append(outwards * (truth - centre) / unit[point, None])
    return np.concatenate(targets)


def plot_score_iou(scores: np.ndarray, ious: np.ndarray, path: StrPath) -> None:
    """Draw predicted score against true IoU (paper Fig. 2b), with Pearson's correlation where IoU > 0.

    Args:
        scores, ious: (N,), of `scores_and_ious`.
        path: the PNG to write.
    """
    figure, axes = new_figure(5, 5)
    chosen = _some(len(scores))
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot(ious[chosen], scores[chosen], ".", markersize=2.5, alpha=0.4, color="#2ca02c")
    hits = ious > 0
    r = pearson(scores[hits], ious[hits])
    words = "" if r is None else f", Pearson {r:.3f}"
    axes.set(xlabel="true IoU with an object of its class", ylabel="predicted score")
    axes.set(xlim=(-0.02, 1.02), ylim=(0, 1.02))
    axes.set_title(f"{len(scores)} detections; {int(hits.sum())} on an object{words}", fontsize=10)
    axes.grid(alpha=0.3)
    save_figure(figure, path)


def plot_targets(targets: np.ndarray, reg_max: int, path: StrPath) -> None:
    """Draw the histogram of regression targets (paper Fig. 10).

    Args:
        targets: (N, 4) in strides, of `regression_targets`.
        reg_max: the largest distance that the model can predict; the title says how many exceed it.
        path: the PNG to write.
    """
    figure, axes = new_figure(6, 4)
    values = targets.ravel()
    beyond = f"{100 * (values > reg_max).mean():.1f} % beyond reg_max" if values.size else "none"
    low, high = np.floor(values.min(initial=0)), np.ceil(values.max(initial=reg_max + 1))
    axes.hist(values, bins=np.arange(low, high + 0.25, 0.25).tolist(), color="#1f77b4")
    axes.axvline(reg_max, color="black", linestyle="--", linewidth=1, label=f"reg_max {reg_max}")
    axes.legend(fontsize=8)
    axes.set(xlabel="distance from the point to the annotated edge, in strides", ylabel="edges")
    axes.set_title(
        f"Regression targets of {len(targets)} matched detections: {beyond}", fontsize=10
    )
    axes.grid(alpha=0.3)
    save_figure(figure, path)


def plot_sigma(edges: Edges, strides: Sequence[int], path: StrPath) -> None:
    """Draw the true error of edges against their stated standard deviation, and the mean by decile.

    Args:
        edges: of `matched_edges`; strides: of the levels.
        path: the PNG to write.
    """
    figure, axes = new_figure(6, 5)
    result, chosen = measure(edges, strides), _some(len(edges.error))
    floor = 0.1  # pixels: what is smaller is drawn there, as the axes are logarithmic
    std, error = np.maximum(edges.std, floor), np.maximum(np.abs(edges.error), floor)
    colours = np.array(["#1f77b4", "#d95f02", "#2ca02c", "#7570b3", "#e7298a"])
    for level, stride in enumerate(strides):
        at = chosen[edges.level[chosen] == level]
        colour = str(colours[level % len(colours)])
        axes.plot(
            std[at], error[at], ".", ms=2.5, alpha=0.35, color=colour, label=f"stride {stride}"
        )
    means = [max(group.mean_std, floor) for group in result.deciles]
    errors = [max(group.mean_error, floor) for group in result.deciles]
    axes.plot(means, errors, "o-", color="black", markersize=4, label="mean of each tenth")
    ends = np.array([std.min(), std.max()]) if len(std) else np.array([1.0, 10.0])
    axes.plot(ends, ends, color="black", linewidth=1, label="error = 1 sigma")
    axes.plot(ends, 2 * ends, ":", color="black", linewidth=1, label="error = 2 sigma")
    log_scale(axes, "xy")
    axes.set(xlabel="stated sigma in pixels", ylabel="|true error| in pixels")
    one = "-" if result.coverage.one_sigma is None else f"{100 * result.coverage.one_sigma:.1f} %"
    axes.set_title(f"{result.edges} edges, {one} within 1 sigma", fontsize=10)
    axes.legend(fontsize=7, loc="lower right")
    axes.grid(alpha=0.3)
    save_figure(figure, path)


def _some(count: int) -> np.ndarray:
    """Return the indices of at most `MOST_DOTS` of so many, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_DOTS)).astype(int))
