"""Fitting images and mapping boxes back."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodet.runtime.fit import FITS, place, warp
from nanodet.runtime.preprocess import preprocess

MEAN, STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
sides = st.integers(1, 900)
inputs = st.tuples(st.sampled_from([32, 96, 320]), st.sampled_from([64, 256, 416]))


@given(sides, sides, inputs, st.sampled_from(FITS))
def test_boxes_come_back(width, height, size, fit):
    placement = place(fit, (width, height), size)
    box = np.array([[0, 0, width, height], [0.25 * width, 0.5 * height, 0.75 * width, height]])
    back = placement.to_picture(placement.to_network(box), (width, height))
    np.testing.assert_allclose(back, box, atol=1e-3)
    assert placement.canvas[0] % 32 == placement.canvas[1] % 32 == 0 or fit != "own"


@given(sides, sides, inputs)
def test_own_is_the_least_multiple_of_32_around_the_scaled_picture(width, height, size):
    placement = place("own", (width, height), size)
    r = min(size[0] / width, size[1] / height)
    assert placement.content == (max(int(r * width), 1), max(int(r * height), 1))
    for content, canvas in zip(placement.content, placement.canvas, strict=True):
        assert content <= canvas < content + 32


@given(sides, sides, inputs)
def test_letterbox_is_centred(width, height, size):
    placement = place("letterbox", (width, height), size)
    box = placement.to_network(np.array([[0.0, 0, width, height]]))[0]
    assert box[0] == pytest.approx(size[0] - box[2], abs=1e-6)
    assert box[1] == pytest.approx(size[1] - box[3], abs=1e-6)
    assert box.min() >= -1e-6


def exact_bilinear(picture, matrix, size):
    """The definition of design: x_picture = (x_network - shift) / ratio, in float64."""
    (rx, _, tx), (_, ry, ty) = matrix
    x, y = (np.arange(size[0]) - tx) / rx, (np.arange(size[1]) - ty) / ry
    padded = np.pad(picture.astype(np.float64), ((1, 2), (1, 2), (0, 0)))
    x, y = np.clip(x, -1, picture.shape[1]) + 1, np.clip(y, -1, picture.shape[0]) + 1
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - x0)[None, :, None], (y - y0)[:, None, None]
    corner = [[padded[np.ix_(y0 + j, x0 + i)] for i in (0, 1)] for j in (0, 1)]
    top = corner[0][0] * (1 - fx) + corner[0][1] * fx
    bottom = corner[1][0] * (1 - fx) + corner[1][1] * fx
    return top * (1 - fy) + bottom * fy


@given(st.integers(2, 120), st.integers(2, 120), st.sampled_from(FITS), st.integers(0, 2**32 - 1))
def test_resampling_is_bilinear_to_one_grey_level(width, height, fit, seed):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    placement = place(fit, (width, height), (64, 96))
    found = warp(picture, placement.matrix, placement.content)
    expected = exact_bilinear(picture, placement.matrix, placement.content)
    assert np.abs(found - expected).max() <= 1.0


@given(
    st.integers(1, 120), st.integers(1, 120), st.sampled_from(FITS), st.sampled_from(["bgr", "rgb"]),
    st.tuples(*[st.floats(0, 255)] * 3), st.tuples(*[st.floats(1e-3, 255)] * 3),
)  # fmt: skip
def test_the_tensor_is_normalised_by_the_formula(width, height, fit, order, mean, std):
    picture = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    tensor, placement = preprocess(picture, fit, (64, 96), mean, std, order)
    fitted = warp(picture, placement.matrix, placement.content)[..., :: 1 if order == "bgr" else -1]
    expected = (fitted.astype(np.float32) - np.float32(mean)) / np.float32(std)
    columns, rows = placement.content
    assert tensor.shape == (1, 3, *placement.canvas[::-1]) and tensor.dtype == np.float32
    np.testing.assert_array_equal(tensor[0, :, :rows, :columns], expected.transpose(2, 0, 1))
    assert not tensor[..., rows:, :].any() and not tensor[..., columns:].any()


def test_input_equals_the_originals(shared, coco_mini):
    reference = np.load(shared / "reference" / "nanodet-m_320.npz")
    for name in reference.files:
        if not name.endswith("_input"):
            continue
        picture = cv2.imread(str(coco_mini / "images" / f"{int(name.split('_')[0]):012d}.jpg"))
        tensor, _ = preprocess(picture, "own", (320, 320), MEAN, STD)
        assert np.abs(tensor[0] - reference[name]).max() * max(STD) <= 1.0


def test_padding_is_zero_in_own_and_black_in_letterbox():
    picture = np.full((50, 100, 3), 200, np.uint8)
    own, _ = preprocess(picture, "own", (96, 96), MEAN, STD)
    assert own.shape == (1, 3, 64, 96)
    assert (own[0, :, 48:] == 0).all()
    letterbox, _ = preprocess(picture, "letterbox", (96, 96), MEAN, STD)
    black = -np.array(MEAN) / np.array(STD)
    np.testing.assert_allclose(letterbox[0, :, 0, 0], black, rtol=1e-5)


def test_rgb_models_get_rgb():
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[..., 0] = 255
    tensor, _ = preprocess(picture, "stretch", (32, 32), (0, 0, 0), (1, 1, 1), "rgb")
    assert tensor[0, :, 5, 5].tolist() == [0, 0, 255]


def test_the_json_line_says_what_the_results_are():
    from nanodet import Detections

    found = Detections([[1, 2, 3, 4]], [0.5], [1], ("cat", "dög"))
    record = json.loads(found.to_json("a.jpg", 640, 480, frame=3, time_s=0.1))
    assert record == {
        "source": "a.jpg", "frame": 3, "time_s": 0.1, "width": 640, "height": 480,
        "detections": [
            {"class_id": 1, "class_name": "dög", "confidence": 0.5, "xyxy": [1.0, 2.0, 3.0, 4.0]}
        ],
    }  # fmt: skip
