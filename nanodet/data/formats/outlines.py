"""Bounding boxes of the shapes that annotation tools draw, x1 y1 x2 y2."""

import math
from collections.abc import Iterable, Sequence

Box = tuple[float, float, float, float]


def box_of_points(points: Iterable[tuple[float, float]]) -> Box:
    """Return the bounding box of at least one point (x, y)."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def box_of_turned(box: Box, degrees: float, pivot: tuple[float, float]) -> Box:
    """Return the bounding box of a rectangle that is turned clockwise around a point."""
    if not degrees % 360:
        return box
    x1, y1, x2, y2 = box
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(x - pivot[0], y - pivot[1]) for x in (x1, x2) for y in (y1, y2)]
    return box_of_points(
        (pivot[0] + x * cos - y * sin, pivot[1] + x * sin + y * cos) for x, y in corners
    )


def box_of_ellipse(cx: float, cy: float, rx: float, ry: float, degrees: float = 0.0) -> Box:
    """Return the bounding box of an ellipse with these radii that is turned around its centre."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    width, height = math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)
    return cx - width, cy - height, cx + width, cy + height


def union(boxes: Sequence[Box]) -> Box:
    """Return the box around several."""
    x1, y1, x2, y2 = zip(*boxes, strict=True)
    return min(x1), min(y1), max(x2), max(y2)
