"""Boxes in another unit or form: told by the whole set, and never of a sound one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanodet.data.formats.units import CORNERS, XYWH, check_parts, check_pixels
from nanodet.data.formats.yolo_lines import Line
from nanodet.errors import NanodetError

SIZE = np.array([160, 120])
SEEDS = st.integers(0, 2**32 - 1)


def sound(seed, number=40):
    """Sound xyxy boxes in parts of the image; some reach a little outside."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform(0.05, 1, (number, 2))
    start = rng.uniform(0, 1 - sides)
    return np.hstack([start, start + sides]) + rng.normal(0, 0.01, (number, 4))


def pixels(boxes, form):
    check_pixels(boxes, np.tile(SIZE, (len(boxes), 1)), "a.json", form, notes := [])
    return notes


def parts(rows):
    """Check YOLO's cx cy w h."""
    rows = np.asarray(rows)
    boxes = np.hstack([rows[:, :2] - rows[:, 2:] / 2, rows[:, :2] + rows[:, 2:] / 2])
    lines = [Line("a.txt", n, 0, tuple(row)) for n, row in enumerate(rows)]
    check_parts(lines, boxes, "labels", notes := [])
    return notes


def xywh(boxes):
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def cxcywh(boxes):
    return np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])


@given(SEEDS, st.integers(0, 40))
@settings(max_examples=60)
def test_sound_sets_pass(seed, number):
    boxes = sound(seed, number)
    whole = np.vstack([boxes, [0.5, 0.5, 1, 1]])  # one that reaches the far corner
    assert pixels(xywh(whole) * np.tile(SIZE, 2), XYWH) == []
    assert pixels(boxes[:15] * np.tile(SIZE, 2), CORNERS) == []
    parts(cxcywh(boxes))


@given(SEEDS)
@settings(max_examples=30)
def test_other_units_and_forms_are_told(seed):
    boxes = np.clip(sound(seed), 0, 1)
    scale = np.tile(SIZE, 2)
    with pytest.raises(NanodetError, match=r"a.json: all 40 boxes lie in 0..1"):
        pixels(xywh(boxes), XYWH)
    with pytest.raises(NanodetError, match=r"a.json: all 40 boxes lie in 0..1"):
        pixels(boxes, CORNERS)
    with pytest.raises(NanodetError, match="look like x1 y1 x2 y2"):
        pixels(boxes * scale, XYWH)
    with pytest.raises(NanodetError, match=r"look like x y width height"):
        pixels(xywh(boxes) * scale, CORNERS)
    with pytest.raises(NanodetError, match="look like cx cy width height"):
        pixels(cxcywh(boxes) * scale, XYWH)
    with pytest.raises(NanodetError, match="look like cx cy width height"):
        pixels(cxcywh(boxes) * scale, CORNERS)
    with pytest.raises(NanodetError, match="look like y x height width"):
        pixels((xywh(boxes) * scale)[:, [1, 0, 3, 2]], XYWH)
    with pytest.raises(NanodetError, match="look like y1 x1 y2 x2"):
        pixels((boxes * scale)[:, [1, 0, 3, 2]], CORNERS)
    with pytest.raises(NanodetError, match="look like x y width height"):
        parts(xywh(boxes))
    with pytest.raises(NanodetError, match=r"labels: 40 of 40 boxes lie far outside 0..1"):
        parts(cxcywh(boxes) * scale)
    with pytest.raises(NanodetError, match="look like x1 y1 x2 y2"):
        parts(boxes)


def test_a_single_slip_is_no_reason():
    boxes = np.array([[0.0, 0, 10, 10], [5, 5, 160, 120], [0.2, 0.2, 0.4, 0.4]])
    pixels(boxes, XYWH)
    pixels(boxes, CORNERS)
    parts([[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 1, 1], [80, 60, 20, 20]])


def test_objects_that_fill_the_picture():
    pixels(np.tile([0, 0, 160.0, 120.0], (9, 1)), XYWH)
    parts(np.tile([0.5, 0.5, 1.0, 1.0], (9, 1)))


@given(SEEDS)
@settings(max_examples=20)
def test_boxes_that_leave_much_of_their_images_unused(seed):
    boxes = np.clip(np.vstack([sound(seed), [0, 0, 0.2, 0.2], [0.8, 0.8, 0.99, 0.99]]), 0, 0.99)
    for factor, size, words in (
        (100, (1280, 720), "1/100 of"),
        (1000, (1920, 1200), "1/1000 of"),
        (0.5 * np.array([1280, 720] * 2), (1280, 720), "enlarged"),
    ):
        check_pixels(boxes * factor, np.tile(size, (42, 1)), "a.json", CORNERS, notes := [])
        assert len(notes) == 1 and words in notes[0]
    centred = boxes * 0.5 + 0.2  # in the upper left, but away from its edges
    check_pixels(centred * 1234, np.tile([1234, 1234], (42, 1)), "a.json", CORNERS, notes := [])
    assert notes == []


@pytest.mark.parametrize("edge", range(4))
def test_objects_that_reach_across_one_edge_are_no_other_form(edge):
    """People with their feet below the image, or who enter it from one side; and one slip."""
    far = edge > 1  # the right or the lower edge
    start = 0.5 if far else 0.3
    boxes = np.tile([start, start, start + 0.2, start + 0.2], (40, 1))
    boxes += np.linspace(-0.1, 0.1, 40)[:, None]
    boxes[:12, edge] = boxes[12, edge ^ 1] = 1.05 if far else -0.05
    notes = pixels(xywh(boxes) * np.tile(SIZE, 2), XYWH)
    told = [line for line in notes if "nearly all along one axis: clipped" in line]
    assert len(told) == far  # corners and sizes across the left or upper edge are no centres
    assert len(parts(cxcywh(boxes))) == (not far)


def test_one_box_beyond_does_not_hide_that_all_are_parts():
    boxes = xywh(np.clip(sound(1), 0, 1))
    boxes[3, 2] = 1.002
    with pytest.raises(NanodetError, match=r"a.json: 39 of 40 boxes lie in 0..1"):
        pixels(boxes, XYWH)
