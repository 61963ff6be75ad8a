"""Lines of YOLO files that may be boxes with keypoints or polygons: the set decides, or asks."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nanodet.data.formats.yolo_lines import Line
from nanodet.data.formats.yolo_lines import boxes_of_lines as read_lines
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError

WANTED = np.array([[0.1, 0.2, 0.4, 0.6]])


def boxes_of_lines(lines, reading=None, **more):
    return read_lines(lines, reading or Reading(), **more)


def lines_of(rows):
    return [Line("a.txt", n, 0, tuple(map(float, row))) for n, row in enumerate(rows, 1)]


def keypoints(rng, boxes, number, each):
    """Lines of boxes with keypoints inside; a fifth of these is not labelled."""
    rows = []
    for x1, y1, x2, y2 in boxes:
        points = rng.uniform((x1, y1), (x2, y2), (number, 2))
        flags = rng.choice([0, 1, 2], (number, 1), p=[0.2, 0.3, 0.5])
        points *= flags > 0
        if each == 3:
            points = np.hstack([points, flags])
        rows.append([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, *points.ravel()])
    return rows


def polygons(rng, boxes, number):
    """Lines of polygons that fill their boxes, beginning anywhere and in either direction."""
    rows = []
    for x1, y1, x2, y2 in boxes:
        angles = np.sort(rng.uniform(0, 2 * np.pi, number))
        points = np.stack([np.cos(angles), np.sin(angles)], 1)
        points -= points.min(axis=0)
        points = (x1, y1) + points / points.max(axis=0) * (x2 - x1, y2 - y1)
        rows.append(points[:: rng.choice([-1, 1])].ravel())
    return rows


def objects(rng, number):
    sides = rng.uniform(0.05, 0.4, (number, 2))
    start = rng.uniform(0, 1 - sides)
    return np.hstack([start, start + sides])


@pytest.mark.parametrize("each", [2, 3])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 17])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_keypoints(number, each, seed):
    rng = np.random.default_rng(seed)
    boxes = objects(rng, 80)
    found = boxes_of_lines(lines_of(keypoints(rng, boxes, number, each)))
    np.testing.assert_allclose(found, boxes, atol=1e-9)


@pytest.mark.parametrize("number", [4, 5, 8, 20])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_polygons(number, seed):
    rng = np.random.default_rng(seed)
    boxes = objects(rng, 80)
    found = boxes_of_lines(lines_of(polygons(rng, boxes, number)))
    np.testing.assert_allclose(found, boxes, atol=1e-9)


@pytest.mark.parametrize("kind", ["keypoints", "polygons"])
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 12))
@example(seed=655, count=1)  # a polygon with a spike, whose box reading holds all other points
@settings(max_examples=40)
def test_few_lines_are_read_rightly_or_not_at_all(kind, seed, count):
    rng = np.random.default_rng(seed)
    boxes = objects(rng, count)
    rows = keypoints(rng, boxes, 4, 2) if kind == "keypoints" else polygons(rng, boxes, 6)
    try:
        found = boxes_of_lines(lines_of(rows))
    except NanodetError as error:
        assert "yolo_labels" in str(error)
    else:
        np.testing.assert_allclose(found, boxes, atol=1e-9)


def test_polygons_of_different_lengths_and_plain_boxes():
    rows = [
        [0.25, 0.4, 0.3, 0.4],
        [0.1, 0.2, 0.4, 0.2, 0.2, 0.6],
        [0.1, 0.2, 0.4, 0.2, 0.4, 0.6, 0.1, 0.6],
    ]
    np.testing.assert_allclose(boxes_of_lines(lines_of(rows)), WANTED.repeat(3, axis=0))


def test_what_nothing_decides_asks_for_the_key():
    # a small square in the middle: its second corner may be the size of a box around it
    row = [0.48, 0.48, 0.52, 0.48, 0.52, 0.52, 0.48, 0.52]
    with pytest.raises(NanodetError, match=r"a.txt: line 1: 9 values .* yolo_labels"):
        boxes_of_lines(lines_of([row]))
    found = boxes_of_lines(lines_of([row]), Reading(yolo_labels="polygons"))
    np.testing.assert_allclose(found, [[0.48, 0.48, 0.52, 0.52]])
    found = boxes_of_lines(lines_of([row]), Reading(yolo_labels="boxes"))
    np.testing.assert_allclose(found, [[0.22, 0.24, 0.74, 0.72]])


def test_kpt_shape_decides():
    row = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.55, 0.55]
    np.testing.assert_allclose(
        boxes_of_lines(lines_of([row]), keypoints=(2, 2)), [[0.25, 0.25, 0.75, 0.75]]
    )
    with pytest.raises(NanodetError, match=r"9 values, but kpt_shape .* \(3 x 2\) needs 11"):
        boxes_of_lines(lines_of([row]), keypoints=(3, 2))


def test_a_confidence_behind_the_box_is_asked_about():
    row = [0.25, 0.4, 0.3, 0.4, 0.9]
    with pytest.raises(NanodetError, match=r"6 values, one more .* yolo_labels.*boxes"):
        boxes_of_lines(lines_of([row]))
    found = boxes_of_lines(lines_of([row]), Reading(yolo_labels="boxes"))
    np.testing.assert_allclose(found, WANTED)
