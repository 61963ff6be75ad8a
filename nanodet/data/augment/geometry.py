"""The random geometry of an image, and what becomes of its boxes.

Every random number comes from the NumPy generator that the caller passes.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from nanodet.config.data_sections import Pipeline
from nanodet.runtime.fit import Placement, Size

MIN_SIDE = 2.0  # network pixels: smaller than a quarter of the finest cell, too small to learn
MAX_ASPECT = 20.0  # of an object cut by the border: a sliver without features
MIN_VISIBLE = 0.1  # fraction of the box still in view: with less the object cannot be recognised
HORIZON = 1e-3  # depth from which on a point of a tilted image has a position


def draw_geometry(pipeline: Pipeline, picture_size: Size, rng: np.random.Generator) -> np.ndarray:
    """Draw a random geometric transform of an image.

    About the image's centre and in this order: perspective, scale, stretch, rotation, shear,
    flip, translation. All steps draw on every call, so that one step's setting does
    not change another step's numbers.

    Args:
        pipeline: a `nanodet.config.data_sections.Pipeline`. ``perspective`` p is uniform in -p..p per
            axis, in 1/pixel; ``scale`` uniform in its range; ``stretch`` one range for x, one
            for y; ``rotation`` and ``shear`` in degrees to both sides; ``flip`` the probability
            of a left-right flip; ``translate`` t moves the centre to 0.5 - t .. 0.5 + t of
            width and height.
        picture_size: (width, height).
        rng: a ``numpy.random.Generator``.

    Returns:
        float64 (3, 3) from points of the image to points of the transformed image, where an
        image covers 0..width, 0..height. The identity when all steps are off.
    """
    width, height = picture_size
    unit = rng.random(10)

    def between(n, low, high):
        return low + (high - low) * unit[n]

    def both_ways(n, limit):
        return between(n, -limit, limit)

    matrix = _matrix(((1, 0, -width / 2), (0, 1, -height / 2)))
    tilt = np.eye(3)
    tilt[2, :2] = both_ways(0, pipeline.perspective), both_ways(1, pipeline.perspective)
    matrix = tilt @ matrix
    scale = between(2, *pipeline.scale) if pipeline.scale else 1.0
    (x_range, y_range) = pipeline.stretch or ((1.0, 1.0), (1.0, 1.0))
    sx, sy = scale * between(3, *x_range), scale * between(4, *y_range)
    matrix = _matrix(((sx, 0, 0), (0, sy, 0))) @ matrix
    angle = math.radians(both_ways(5, pipeline.rotation))
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = _matrix(((cos, -sin, 0), (sin, cos, 0))) @ matrix
    shear = [math.tan(math.radians(both_ways(n, pipeline.shear))) for n in (6, 7)]
    matrix = _matrix(((1, shear[0], 0), (shear[1], 1, 0))) @ matrix
    if rng.random() < pipeline.flip:
        matrix = _matrix(((-1, 0, 0), (0, 1, 0))) @ matrix
    move = [0.5 + both_ways(n, pipeline.translate) for n in (8, 9)]
    return _matrix(((1, 0, move[0] * width), (0, 1, move[1] * height))) @ matrix


def _matrix(rows: Iterable[Sequence[float]] | np.ndarray) -> np.ndarray:
    return np.array((*rows, (0, 0, 1)), np.float64)


def framed(geometry: np.ndarray, picture_size: Size) -> tuple[np.ndarray, tuple[float, float]]:
    """Move a transformed image so that the box around it begins at the origin.

    Args:
        geometry: (3, 3), see `draw_geometry`.
        picture_size: (width, height).

    Returns:
        the moved transform, and the (width, height) of the box around the transformed image. An image
        that extends beyond the horizon of its perspective keeps its transform and size.
    """
    w, h = picture_size
    corners = np.array([(0, 0, 1), (w, 0, 1), (w, h, 1), (0, h, 1)]) @ geometry.T
    if (corners[:, 2] <= HORIZON).any():
        return geometry, (float(w), float(h))
    points = corners[:, :2] / corners[:, 2:]
    (x, y), (width, height) = points.min(axis=0), np.ptp(points, axis=0).tolist()
    return _matrix(((1, 0, -x), (0, 1, -y))) @ geometry, (width, height)


def pixel_matrix(geometry: np.ndarray, placement: Placement) -> np.ndarray:
    """Return the (3, 3) matrix that `nanodet.runtime.fit.warp` takes: pixels to network pixels.

    `draw_geometry` uses points, where pixel i covers i..i+1; a warp uses pixel indices, which are
    pixel centres. A flip of the former is w - x, of the latter w - 1 - x. Without this half pixel,
    flipped objects would be one pixel away from their boxes. The fit is the same as in inference.
    """
    if (geometry == np.eye(3)).all():  # exactly the fit, without the rounding of what follows
        return _matrix(placement.matrix)
    half = _matrix(((1, 0, 0.5), (0, 1, 0.5)))
    back = _matrix(((1, 0, -0.5), (0, 1, -0.5)))
    return _matrix(placement.matrix) @ back @ geometry @ half


def box_matrix(geometry: np.ndarray, placement: Placement) -> np.ndarray:
    """Return the (3, 3) matrix from points of the image to points of the network's input."""
    return _matrix(placement.matrix) @ geometry


def map_boxes(
    boxes: np.ndarray, matrix: np.ndarray, size: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Map boxes through a matrix: the bounding box of their four corners, clipped.

    Args:
        boxes: (N, 4) xyxy.
        matrix: (3, 3), see `box_matrix`.
        size: (width, height) to clip to.

    Returns:
        float32 (N, 4) boxes and float64 (N,), the fraction of each that is inside, 0..1.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    corners = np.ones((len(boxes), 4, 3))
    corners[..., 0] = boxes[:, (0, 2, 2, 0)]
    corners[..., 1] = boxes[:, (1, 1, 3, 3)]
    corners = corners @ matrix.T
    depth = corners[..., 2:]
    # a corner on or beyond the horizon of a perspective has no position: the box is lost
    lost = (depth <= HORIZON).any(axis=(1, 2))
    points = corners[..., :2] / np.where(depth <= HORIZON, 1.0, depth)
    low, high = points.min(axis=1), points.max(axis=1)
    whole = (high - low).prod(axis=1)
    low, high = np.clip(low, 0, size), np.clip(high, 0, size)
    inside = (high - low).prod(axis=1) / np.maximum(whole, 1e-9)
    inside[lost] = 0
    return np.concatenate([low, high], axis=1).astype(np.float32), inside


def worth_teaching(boxes: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return bool (N,): which mapped boxes still show an object.

    Left out are boxes under `MIN_SIDE`, slivers over `MAX_ASPECT`, and objects of which less
    than `MIN_VISIBLE` is in view: training on them teaches the border, not the object.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    short, long = sides.min(axis=1, initial=np.inf), sides.max(axis=1, initial=0)
    return (short >= MIN_SIDE) & (long <= MAX_ASPECT * short) & (inside >= MIN_VISIBLE)
