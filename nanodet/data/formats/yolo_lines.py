"""The meaning of the numbers in YOLO's text lines: boxes, boxes with keypoints, or polygons.

The formats have no header. A line of 17 values is a box with four keypoints, or a polygon of
eight points; the lines of the whole data set decide which.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nanodet.data.reading import Reading
from nanodet.errors import NanodetError

AGREEMENT = 0.9  # fraction of the conclusive lines that must agree
TELLING = 0.05  # fraction of all lines that must be conclusive
FEW = 3  # lines that look like boxes, without visibilities: a few polygons do so by chance
MARGIN = 0.1  # fraction of a box by which keypoints may lie outside
INSIDE = 0.8  # fraction of the visible keypoints that must lie in their box
EDGE = 0.02  # fraction of the image by which a box may extend outside


class Line(NamedTuple):
    """One object: its class, the values that follow, and its position."""

    file: Path
    number: int
    label: int
    values: list[float]

    @property
    def where(self) -> str:
        """The file and line, for messages."""
        return f"{self.file}: line {self.number}"


def boxes_of_lines(
    lines: Sequence[Line], reading: Reading, keypoints: tuple[int, int] | None = None
) -> np.ndarray:
    """Return the boxes of the lines of a whole data set.

    Args:
        lines: `Line` list, of at least four values each.
        reading: the `nanodet.data.reading.Reading`. Its ``yolo_labels`` may be ``boxes``: the first
            four values are cx cy w h, whatever follows; ``polygons``: six values and more are
            points; ``auto``: all lines together decide. Four values are always a box.
        keypoints: (number, values each) if the data set states that it has keypoints, or None.

    Returns:
        float64 (N, 4) xyxy in fractions of the image.

    Raises:
        NanodetError: a line that fits no interpretation, or a data set that fits two.
    """
    counts = np.array([len(line.values) for line in lines], np.int64)
    more = np.flatnonzero(counts > 4).tolist()
    labels = reading.yolo_labels
    if labels not in ("boxes", "polygons") and len(more):
        labels = _decide([lines[n] for n in more], reading, keypoints)
    boxes = np.empty((len(lines), 4))
    for n, line in enumerate(lines):
        values = line.values
        if labels == "polygons" and len(values) > 4:
            if len(values) < 6 or len(values) % 2:
                raise wrong_count(line, reading)
            xs, ys = values[0::2], values[1::2]
            boxes[n] = min(xs), min(ys), max(xs), max(ys)
        else:
            x, y, w, h = values[:4]
            boxes[n] = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    return boxes


def _decide(lines: Sequence[Line], reading: Reading, keypoints: tuple[int, int] | None) -> str:
    """Return ``boxes`` or ``polygons`` for lines of more than four values."""
    counts = {len(line.values) for line in lines}
    if keypoints is not None:
        wanted = 4 + keypoints[0] * keypoints[1]
        for line in lines:
            if len(line.values) != wanted:
                raise NanodetError(
                    f"{line.where}: {len(line.values) + 1} values, but kpt_shape in data.yaml "
                    f"({keypoints[0]} x {keypoints[1]}) needs {wanted + 1}; "
                    f"{_remedy(reading)}"
                )
        return "boxes"
    if len(counts) > 1:  # every line has the same number of keypoints
        for line in lines:
            if len(line.values) < 6 or len(line.values) % 2:
                raise wrong_count(line, reading)
        return "polygons"
    (count,) = counts
    pose, polygon, flagged = _votes(np.array([line.values for line in lines]))
    if count < 6 or count % 2:
        if count >= 7 and pose.mean() >= AGREEMENT:
            return "boxes"
        raise wrong_count(lines[0], reading)
    for_boxes, for_polygons = (pose & ~polygon).sum(), (polygon & ~pose).sum()
    conclusive = for_boxes + for_polygons
    if conclusive >= max(1, TELLING * len(lines)):
        enough = for_boxes >= FEW or flagged.all()
        if for_boxes >= AGREEMENT * conclusive and enough:
            return "boxes"
        if for_polygons >= AGREEMENT * conclusive:
            return "polygons"
    raise NanodetError(
        f"{lines[0].where}: {count + 1} values may be a box with keypoints or a polygon of "
        f"{count // 2} points, and the {len(lines)} such lines of the data set do not show which; "
        f"{_remedy(reading)}"
    )


def _votes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which lines look like a box with keypoints, and which like a polygon.

    Args:
        values: float64 (N, n), n > 4.

    Returns:
        bool (N,): the keypoints lie in the box, and the box in the image; bool (N,): the second
        point is near the others, unlike the second pair of a box, its size; bool (N,):
        the keypoints lie in the box and have visibilities of 0, 1 or 2.
    """
    pose = np.zeros(len(values), bool)
    rest = values.shape[1] - 4
    centre, size = values[:, None, 0:2], values[:, None, 2:4]
    low, high = centre - size / 2, centre + size / 2
    framed = ((size > 0) & (low >= -EDGE) & (high <= 1 + EDGE)).all(axis=(1, 2))
    whole_flags = np.zeros(len(values), bool)
    for each in (2, 3):
        if rest % each:
            continue
        points = values[:, 4:].reshape(len(values), -1, each)
        visible = (points[..., :2] != 0).any(axis=2)  # 0 0: not labelled
        flagged = np.ones(len(values), bool)
        if each == 3:
            seen = points[..., 2]
            flags = np.all(np.isin(seen, (0, 1, 2)), axis=1)
            whole_flags = flags & (points.shape[1] > 1)
            flagged = flags | np.all((seen >= 0) & (seen <= 1), axis=1)
            visible &= seen > 0
        near = (np.abs(points[..., :2] - centre) <= (0.5 + MARGIN) * size + 0.01).all(axis=2)
        held = (near & visible).sum(axis=1) >= INSIDE * visible.sum(axis=1)
        pose |= framed & flagged & held
    whole_flags &= pose
    if values.shape[1] % 2:
        return pose, np.zeros(len(values), bool), whole_flags
    points = values.reshape(len(values), -1, 2).copy()
    zeros = (points[:, 2:] == 0).all(axis=2)  # unlabelled keypoints, if there are several
    points[:, 2:][zeros] = np.repeat(points[:, 0], zeros.sum(axis=1), axis=0)
    second, others = points[:, 1], np.delete(points, 1, axis=1)
    low, high = others.min(axis=1), others.max(axis=1)
    apart = np.maximum(low - second, second - high).max(axis=1)
    polygon = apart <= (high - low).max(axis=1)
    polygon &= ((points >= -MARGIN) & (points <= 1 + MARGIN)).all(axis=(1, 2))
    polygon &= zeros.sum(axis=1) < 2
    return pose, polygon & ~whole_flags, whole_flags


def _remedy(reading: Reading) -> str:
    return (
        f"{reading.spelled('yolo_labels', 'boxes')} reads the first four values as cx cy w h and ignores "
        f"the rest, {reading.spelled('yolo_labels', 'polygons')} reads all as points"
    )


def wrong_count(line: Line, reading: Reading) -> NanodetError:
    """Return the `NanodetError` for a line that has neither a box nor a polygon."""
    count = len(line.values) + 1
    if count == 6:
        return NanodetError(
            f"{line.where}: 6 values, one more than 'class cx cy w h' (a confidence, an angle?); "
            f"{reading.spelled('yolo_labels', 'boxes')} ignores the last"
        )
    more = f"; {_remedy(reading)}" if count > 6 else ""
    return NanodetError(
        f"{line.where}: {count} values, where 'class cx cy w h' or a polygon is expected{more}"
    )
