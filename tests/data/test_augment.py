"""Augmentation: boxes go where the pixels go, and off means off."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanodet.config.data_sections import Pipeline
from nanodet.data.augment.colour import GREY, change_colours
from nanodet.data.augment.geometry import (
    box_matrix,
    draw_geometry,
    map_boxes,
    pixel_matrix,
    worth_teaching,
)
from nanodet.runtime.fit import FITS, place, warp

sides = st.integers(8, 700)
seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


@given(sides, sides, st.sampled_from(FITS), seeds)
def test_off_is_exactly_the_fit(width, height, fit, seed):
    placement = place(fit, (width, height), (320, 256))
    geometry = draw_geometry(Pipeline(), (width, height), rng(seed))
    np.testing.assert_array_equal(geometry, np.eye(3))
    expected = np.vstack([placement.matrix, (0, 0, 1)])
    np.testing.assert_array_equal(pixel_matrix(geometry, placement), expected)
    np.testing.assert_array_equal(box_matrix(geometry, placement), expected)


def test_flip_is_a_mirror_of_pixels_and_boxes():
    picture = rng().integers(0, 256, (30, 50, 3), np.uint8)
    placement = place("stretch", (50, 30), (50, 30))
    geometry = draw_geometry(Pipeline(flip=1.0), (50, 30), rng())
    mirrored = warp(picture, pixel_matrix(geometry, placement)[:2], (50, 30))
    np.testing.assert_array_equal(mirrored, picture[:, ::-1])
    boxes, inside = map_boxes([[3, 4, 10, 20]], box_matrix(geometry, placement), (50, 30))
    assert boxes.tolist() == [[40, 4, 47, 20]]
    assert inside.tolist() == [1]


@settings(max_examples=150)
@given(
    seed=seeds,
    box=st.tuples(
        st.integers(20, 200), st.integers(20, 150), st.integers(8, 90), st.integers(8, 80)
    ),
    perspective=st.sampled_from([0.0, 0.0005]),
    rotation=st.sampled_from([0.0, 20.0]),
    shear=st.sampled_from([0.0, 10.0]),
)
def test_boxes_follow_the_pixels(seed, box, perspective, rotation, shear):
    pipeline = Pipeline(
        perspective=perspective,
        scale=[0.7, 1.4],
        stretch=[[0.8, 1.2], [0.8, 1.2]],
        rotation=rotation,
        shear=shear,
        translate=0.2,
        flip=0.5,
    )
    width, height = 320, 240
    x, y, w, h = box
    picture = np.zeros((height, width, 3), np.uint8)
    picture[y : y + h, x : x + w] = 255
    placement = place("stretch", (width, height), (width, height))  # ratio 1: warp alone
    geometry = draw_geometry(pipeline, (width, height), rng(seed))
    warped = warp(picture, pixel_matrix(geometry, placement), (width, height))[..., 0]
    boxes, inside = map_boxes(
        [[x, y, x + w, y + h]], box_matrix(geometry, placement), (width, height)
    )
    rows, columns = np.nonzero(warped > 127)
    if not len(rows):
        assert inside[0] < 0.05 or min(boxes[0, 2:] - boxes[0, :2]) < 2
        return
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    # pixels are whole, and what sticks out at a turned corner is thinner than half a pixel
    cornered = perspective or rotation or shear
    unclipped = (boxes[0] > 0).all() and (boxes[0] < (width, height, width, height)).all()
    if unclipped or not cornered:
        np.testing.assert_allclose(boxes[0], seen, atol=3.0 if cornered else 1.0)
    else:  # the corner that spans the bounding box may be out of view: the box may be larger
        assert (boxes[0, :2] <= np.array(seen[:2]) + 1).all()
        assert (boxes[0, 2:] >= np.array(seen[2:]) - 1).all()


@given(seeds)
def test_ranges(seed):
    size = (200, 100)
    scaled = draw_geometry(Pipeline(scale=[0.6, 1.4]), size, rng(seed))
    assert 0.6 <= scaled[0, 0] <= 1.4
    assert scaled[0, 0] == scaled[1, 1]
    np.testing.assert_allclose(scaled @ (100, 50, 1), (100, 50, 1))  # about the centre
    moved = draw_geometry(Pipeline(translate=0.2), size, rng(seed))
    assert abs(moved[0, 2]) <= 0.2 * 200
    assert abs(moved[1, 2]) <= 0.2 * 100
    turned = draw_geometry(Pipeline(rotation=30), size, rng(seed))
    assert abs(np.degrees(np.arctan2(turned[1, 0], turned[0, 0]))) <= 30
    np.testing.assert_allclose(np.linalg.det(turned), 1)


def test_steps_draw_independently():
    alone = draw_geometry(Pipeline(scale=[0.6, 1.4]), (64, 64), rng(5))
    both = draw_geometry(Pipeline(scale=[0.6, 1.4], rotation=10), (64, 64), rng(5))
    np.testing.assert_allclose(np.linalg.det(alone), np.linalg.det(both))


def test_what_is_worth_teaching():
    boxes = [[0, 0, 30, 30], [0, 0, 1.9, 9], [0, 0, 100, 4], [-95, 0, 5, 50], [-85, 0, 15, 50]]
    mapped, inside = map_boxes(boxes, np.eye(3), (200, 200))
    np.testing.assert_allclose(inside, [1, 1, 1, 0.05, 0.15])
    assert worth_teaching(mapped, inside).tolist() == [True, False, False, False, True]
    nothing, inside = map_boxes(np.zeros((0, 4)), np.eye(3), (9, 9))
    assert nothing.shape == (0, 4)
    assert worth_teaching(nothing, inside).shape == (0,)


def test_behind_the_horizon_is_lost():
    matrix = np.eye(3)
    matrix[2, 0] = -0.02  # horizon at x = 50
    _, inside = map_boxes([[40, 0, 60, 9], [0, 0, 9, 9]], matrix, (100, 100))
    assert inside[0] == 0
    assert inside[1] > 0


@given(seeds)
@settings(max_examples=40)
def test_colours_equal_the_steps_one_by_one(seed):
    picture = rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    pipeline = Pipeline(brightness=0.2, contrast=[0.6, 1.4], saturation=[0.5, 1.2])
    result = change_colours(picture, pipeline, rng(seed))
    draws = rng(seed)
    on, amount = draws.random(3) < 0.5, draws.random(3)
    value = picture.astype(np.float64)
    if on[0]:
        value += 255 * 0.2 * (2 * amount[0] - 1)
    if on[1]:
        value *= 0.6 + 0.8 * amount[1]
    if on[2]:
        blend = 0.5 + 0.7 * amount[2]
        value = blend * value + (1 - blend) * (value @ GREY)[..., None]
    assert result.dtype == np.uint8
    assert np.abs(result - np.clip(value, 0, 255)).max() <= 1.01


@pytest.mark.parametrize("pipeline", [Pipeline(), Pipeline(brightness=0.0)])
def test_no_colour_step_is_no_copy(pipeline):
    picture = np.zeros((4, 4, 3), np.uint8)
    for seed in range(8):
        assert change_colours(picture, pipeline, rng(seed)) is picture
