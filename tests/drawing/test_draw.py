"""Boxes and labels on images of any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanodet.drawing.draw import class_colour, draw
from nanodet.runtime.detections import Detections

NAMES = ("cat", "a class whose name is very long indeed", "Größe")


def grey(width, height):
    return np.full((height, width, 3), 100, np.uint8)


def test_the_picture_itself_is_not_changed():
    picture = grey(320, 240)
    shown = draw(picture, Detections([[50, 60, 200, 180]], [0.9], [0], NAMES))
    assert (picture == 100).all() and shown.shape == picture.shape and shown.dtype == np.uint8
    assert (shown[120, 50] == class_colour(0)).all()  # the left edge
    assert (shown[100:150, 80:150] == 100).all()  # nothing inside


@pytest.mark.parametrize("box", [[0, 0, 319, 239], [300, 0, 319, 20], [310, 230, 319, 239]])
def test_labels_stay_inside(box):
    def plate(where):
        shown = draw(grey(320, 240), Detections([where], [0.9], [0], NAMES), style="none")
        rows, columns = np.nonzero((shown != 100).any(axis=2))
        return np.ptp(rows) + 1, np.ptp(columns) + 1

    assert plate(box) == plate([100, 100, 200, 200])  # all of it is there


def test_labels_do_not_hide_each_other():
    boxes = Detections([[50, 60, 200, 180]] * 2, [0.9, 0.8], [0, 2], NAMES)
    shown = draw(grey(320, 240), boxes, style="none")
    plates = [(shown == class_colour(c)).all(axis=2).sum() for c in (0, 2)]
    assert min(plates) > 150


def test_styles():
    boxes = Detections([[50, 60, 200, 180]], [0.9], [0], NAMES)
    solid, dashed, none = (
        (draw(grey(640, 500), boxes, style=s, labels=False) != 100).any(axis=2).sum()
        for s in ("solid", "dashed", "none")
    )
    assert solid > dashed > 0 == none
    with pytest.raises(ValueError, match="dotted"):
        draw(grey(64, 64), boxes, style="dotted")


def test_colours_are_all_different():
    colours = np.array([class_colour(i) for i in range(80)], int)
    gaps = np.abs(colours[:, None] - colours[None]).max(axis=2) + 999 * np.eye(80, dtype=int)
    assert gaps.min() >= 8
    near = np.abs(np.diff(colours, axis=0)).max(axis=1)
    assert near.min() >= 100  # neighbours in the list of classes


corner = st.floats(-1e9, 1e9, width=32) | st.sampled_from([np.nan, np.inf, -np.inf])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400), st.integers(1, 400),
    st.lists(st.tuples(corner, corner, corner, corner, st.integers(0, 3)), max_size=5),
    st.sampled_from(["solid", "dashed"]),
)  # fmt: skip
def test_no_box_and_no_size_fails(width, height, entries, style):
    boxes = [entry[:4] for entry in entries]
    found = Detections(boxes, np.ones(len(boxes)), [entry[4] for entry in entries], NAMES)
    assert draw(grey(width, height), found, style=style).shape == (height, width, 3)


def test_the_spread_is_a_band_at_both_sides_of_each_edge():
    stds = [[10, 5, 20, 0]]
    found = Detections([[100, 60, 200, 180]], [0.9], [0], NAMES, stds)
    shown = draw(grey(320, 240), found, style="none", labels=False, spread=True)
    changed = (shown != 100).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (55, 179, 90, 219)
    assert not changed[65:180, 110:180].any() and changed[55:65, 90:220].all()
    without = draw(grey(320, 240), found, style="none", labels=False)
    assert (without == 100).all()


@given(
    st.lists(st.floats(-400, 400, width=32), min_size=4, max_size=4),
    st.lists(st.floats(0, 400, width=32), min_size=4, max_size=4),
)
@settings(max_examples=50)
def test_any_spread_can_be_drawn(box, stds):
    found = Detections([box], [0.9], [0], NAMES, [stds])
    assert draw(grey(64, 48), found, spread=True).shape == (48, 64, 3)
