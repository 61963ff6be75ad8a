"""Boxes in another unit or form: told by the whole set, and never of a sound one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanodet.data.units import check_parts, check_pixels
from nanodet.data.yolo_lines import Line
from nanodet.errors import NanodetError

SIZE = np.array([160, 120])
SEEDS = st.integers(0, 2**32 - 1)


def sound(seed, number=40):
    """Sound xyxy boxes in parts of the picture; some reach a little outside."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform(0.05, 1, (number, 2))
    start = rng.uniform(0, 1 - sides)
    return np.hstack([start, start + sides]) + rng.normal(0, 0.01, (number, 4))


def pixels(boxes, form):
    check_pixels(boxes, np.tile(SIZE, (len(boxes), 1)), "a.json", form)


def parts(rows):
    """Check YOLO's cx cy w h."""
    rows = np.asarray(rows)
    boxes = np.hstack([rows[:, :2] - rows[:, 2:] / 2, rows[:, :2] + rows[:, 2:] / 2])
    check_parts([Line("a.txt", n, 0, tuple(row)) for n, row in enumerate(rows)], boxes, "labels")


def xywh(boxes):
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def cxcywh(boxes):
    return np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])


@given(SEEDS, st.integers(0, 40))
@settings(max_examples=60)
def test_sound_sets_pass(seed, number):
    boxes = sound(seed, number)
    pixels(xywh(boxes) * np.tile(SIZE, 2), "xywh")
    pixels(boxes * np.tile(SIZE, 2), "xyxy")
    parts(cxcywh(boxes))


@given(SEEDS)
@settings(max_examples=30)
def test_other_units_and_forms_are_told(seed):
    boxes = np.clip(sound(seed), 0, 1)
    scale = np.tile(SIZE, 2)
    with pytest.raises(NanodetError, match=r"a.json: all 40 boxes lie in 0..1"):
        pixels(xywh(boxes), "xywh")
    with pytest.raises(NanodetError, match=r"a.json: all 40 boxes lie in 0..1"):
        pixels(boxes, "xyxy")
    with pytest.raises(NanodetError, match=r"corners \(x1 y1 x2 y2\)"):
        pixels(boxes * scale, "xywh")
    with pytest.raises(NanodetError, match=r"look like x y width height"):
        pixels(xywh(boxes) * scale, "xyxy")
    with pytest.raises(NanodetError, match=r"labels: 40 of 40 boxes lie far outside 0..1"):
        parts(cxcywh(boxes) * scale)
    with pytest.raises(NanodetError, match=r"corners \(x1 y1 x2 y2\)"):
        parts(boxes)


def test_a_single_slip_is_no_reason():
    boxes = np.array([[0.0, 0, 10, 10], [5, 5, 160, 120], [0.2, 0.2, 0.4, 0.4]])
    pixels(boxes, "xywh")
    pixels(boxes, "xyxy")
    parts([[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 1, 1], [80, 60, 20, 20]])


def test_objects_that_fill_the_picture():
    pixels(np.tile([0, 0, 160.0, 120.0], (9, 1)), "xywh")
    parts(np.tile([0.5, 0.5, 1.0, 1.0], (9, 1)))
