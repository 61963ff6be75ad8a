"""Boxes of COCO's segmentations: polygons, and run-length encoded masks, compressed or not."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nanodet.data.assemble import is_finite, whole_number

LARGEST = 1 << 40  # pixels of a mask


def box_of_segmentation(value: Any) -> list[float] | None:
    """Return the bounding box x, y, width, height of an annotation's ``segmentation``.

    Args:
        value: polygons ``[[x1, y1, x2, y2, ...], ...]``, or a mask ``{"size": [height, width], "counts":
            ...}``, whose counts are the lengths of alternating runs of background and object, column by
            column; a list, or a text in the encoding of COCO's API.

    Returns:
        None if the value is none of these, or has no pixel of the object.
    """
    if isinstance(value, dict):
        return _box_of_mask(value)
    if not isinstance(value, list) or not value:
        return None
    for polygon in value:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            return None
        if not all(map(is_finite, polygon)):
            return None
    x1, y1 = (min(min(polygon[axis::2]) for polygon in value) for axis in (0, 1))
    x2, y2 = (max(max(polygon[axis::2]) for polygon in value) for axis in (0, 1))
    return [float(x1), float(y1), float(x2) - float(x1), float(y2) - float(y1)]


def _box_of_mask(value: dict[str, Any]) -> list[float] | None:
    size, counts = value.get("size"), value.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(map(whole_number, size)):
        return None
    runs = _decoded(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list):
        return None
    if not all(whole_number(run, LARGEST) is not None for run in runs):
        return None
    height, width = (int(side) for side in size)
    ends = np.cumsum(np.array(runs, np.float64)).astype(np.int64)
    if not len(ends) or ends[-1] > height * width:
        return None
    starts, ends = ends[:-1][::2], ends[1:][::2]  # of the object's runs
    starts, ends = starts[ends > starts], ends[ends > starts] - 1
    if not len(starts):
        return None
    first, last = starts // height, ends // height  # columns
    whole = first < last  # such a run has the last row of one column and the first of the next
    top = np.where(whole, 0, starts % height).min()
    bottom = np.where(whole, height - 1, ends % height).max()
    left, right = first.min(), last.max()
    return [float(left), float(top), float(right - left + 1), float(bottom - top + 1)]


def _decoded(text: str) -> Sequence[int] | None:
    """Return the run lengths of a compressed mask.

    Each is in groups of five bits, the lowest first, one character (from ``0``) each; bit 6 says that more
    follow, and the highest bit of the last is the sign. From the fourth on, they are differences to the
    length two before.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 50:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs if not shift else None
