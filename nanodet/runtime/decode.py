"""Decodes the network's output into boxes: score threshold, edge distances, NMS."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from nanodet.runtime.detections import Detections
from nanodet.runtime.fit import Placement, Size
from nanodet.runtime.outputs import Points, points_in
from nanodet.runtime.spec import Output, Spec
from nanodet.runtime.thresholds import Thresholds

# pairs of point and class per image that go into NMS, whose time grows with their square
MOST_CANDIDATES = 10_000
THINNEST = 1e-3  # pixels; width or height that NMS assumes for a box without


@lru_cache(maxsize=16)
def points_of(
    level_sizes: tuple[Size, ...], strides: tuple[int, ...], offset: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]:
    """Return x, y and stride in network pixels of every point, float32 (points,), and the level bounds."""
    xs, ys, units, bounds = [], [], [], [0]
    for (columns, rows), stride in zip(level_sizes, strides, strict=True):
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        xs.append((x.ravel() + offset) * stride)
        ys.append((y.ravel() + offset) * stride)
        units.append(np.full(columns * rows, stride))
        bounds.append(bounds[-1] + columns * rows)
    arrays = [np.concatenate(part).astype(np.float32) for part in (xs, ys, units)]
    return arrays[0], arrays[1], arrays[2], tuple(bounds)


def decode(
    output: Output, spec: Spec, input_size: Size, thresholds: Thresholds | None = None
) -> Detections:
    """Decode one network output into boxes in network pixels (paper 4, "Inference details").

    Of all levels at most the best `MOST_CANDIDATES` pairs of point and class go into NMS.

    Args:
        output: float32 (points, spec.channels), or a map of (spec.channels, rows, columns) per level;
            see `nanodet.runtime.engines.backend`.
        spec: the model's `Spec`.
        input_size: (width, height) of the input tensor.
        thresholds: a `Thresholds`; None: the spec's.

    Returns:
        `Detections`, best first, ``xyxy`` in network pixels and not clipped, with ``level`` and
        ``point``, and with ``edge_std`` in network pixels if the box code defines it.
    """
    limits = spec if thresholds is None else thresholds
    points = points_in(output, len(spec.class_names))
    x, y, unit, bounds = points_of(
        tuple(spec.level_sizes(input_size)), tuple(spec.strides), spec.point_offset
    )
    point, label, confidence = _candidates(points, bounds, spec, limits)
    uncertain = spec.box_code.has_variance
    if not len(point):
        none = np.zeros(0)
        stds = none if uncertain else None
        return Detections(none, none, none, spec.class_names, stds, none, none)
    edges = points.edges(point)
    distances = spec.edge_distances(edges) * unit[point, None]
    centre = np.stack([x[point], y[point]], axis=1)
    xyxy = np.concatenate([centre - distances[:, :2], centre + distances[:, 2:]], axis=1)
    rivals = np.zeros_like(label) if limits.class_agnostic_nms else label
    kept = nms_per_class(xyxy, confidence, rivals, limits.nms_iou)[: limits.per_picture]
    point = point[kept]
    level = np.searchsorted(bounds, point, side="right") - 1
    stds = spec.edge_stds(edges[kept], level) if uncertain else None
    return Detections(
        xyxy[kept], confidence[kept], label[kept], spec.class_names, stds, level, point
    )


def detections_of(
    output: Output,
    spec: Spec,
    placement: Placement,
    picture_size: Size,
    thresholds: Thresholds | None = None,
) -> Detections:
    """Convert the output of a model for an image, in either form, into boxes in the image.

    Args:
        output: of `nanodet.runtime.engines.backend.Backend.run` or `MapsBackend.maps`.
        spec: the model's `Spec`.
        placement: the `Placement` of the image; its canvas is the size of the model's input.
        picture_size: (width, height) of the image in pixels.
        thresholds: a `Thresholds`; None: the spec's. A model that outputs boxes has applied
            its own; of these, ``per_picture`` can still be lower, and scores per class higher.

    Returns:
        `Detections`, best first, ``xyxy`` in pixels of the image and clipped to it; ``edge_std`` is in
        pixels of the image, and None for a model that outputs boxes.
    """
    limits = spec if thresholds is None else thresholds
    if spec.form == "boxes":
        found = Detections.from_rows(np.asarray(output), spec.class_names)
        if limits.class_scores is not None:  # the graph has one score: the lowest
            found = found[found.confidence > limits.scores_of(found.class_id)]
        found = found[: limits.per_picture]
    else:
        found = decode(output, spec, placement.canvas, limits)
    boxes = placement.to_picture(found.xyxy, picture_size)
    stds = None if found.edge_std is None else placement.lengths_to_picture(found.edge_std)
    return replace(found, xyxy=boxes, edge_std=stds)


def _candidates(
    output: Points, bounds: tuple[int, ...], spec: Spec, limits: Thresholds
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return point, class and score of the best pairs of each level, best first."""
    pairs = output.above(limits.lowest_score)
    if limits.class_scores is not None:
        pairs = _above(limits, *pairs)
    points, labels, confidence = pairs
    if spec.quality is not None and len(points):
        # it is at most 1: a pair below the threshold stays below it, whatever the quality
        found, which = np.unique(points, return_inverse=True)
        confidence = confidence * spec.quality(output.edges(found))[which]
        points, labels, confidence = _above(limits, points, labels, confidence)
    order = np.argsort(-confidence, kind="stable")
    if len(order) > limits.per_level:  # otherwise no level can have too many
        level = np.searchsorted(bounds, points[order], side="right")
        kept = [np.flatnonzero(level == n)[: limits.per_level] for n in range(1, len(bounds))]
        order = order[np.sort(np.concatenate(kept))]
    order = order[:MOST_CANDIDATES]
    return points[order], labels[order], confidence[order]


def _above(
    limits: Thresholds, points: np.ndarray, labels: np.ndarray, confidence: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs that score above the threshold of their class."""
    above = confidence > limits.scores_of(labels)
    return points[above], labels[above], confidence[above]


def nms_per_class(
    xyxy: np.ndarray, confidence: np.ndarray, label: np.ndarray, iou: float
) -> np.ndarray:
    """Return the indices that survive greedy NMS within each class, best first.

    Args:
        xyxy: float32 (N, 4); confidence: (N,); label: int (N,), all in order of confidence.
        iou: a box is removed if its IoU with a better one of its class is above this, 0..1.
    """
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)
    xywh[:, :2] -= xywh[:, :2].min()  # OpenCV separates classes by offsets, which needs boxes >= 0
    # in OpenCV two boxes without area overlap wherever they are, and whatever their classes
    np.maximum(xywh[:, 2:], THINNEST, out=xywh[:, 2:])
    nms: Any = cv2.dnn.NMSBoxesBatched  # OpenCV's type stub requires lists
    kept = nms(
        xywh.astype(np.float64), confidence.astype(np.float32), label.astype(np.int32), 0.0, iou
    )
    return np.sort(np.asarray(kept, np.int64).reshape(-1))
