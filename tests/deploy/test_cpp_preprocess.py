"""The C++ preprocessing gives Python's tensors, to one grey level."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probe import ProbeError
from specs import NANODET_M

from nanodet.runtime.fit import FITS
from nanodet.runtime.preprocess import preprocess
from nanodet.runtime.spec import Spec

SPEC = Spec(class_names=("a",), **NANODET_M)
LEVEL = 1.001  # grey levels; the rest is float32


def picture_of(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def compare(probe, picture, fit, size, spec=SPEC, sent=None, **how):
    """Return the largest difference in grey levels."""
    expected, placement = preprocess(
        picture, fit, size, spec.mean, spec.std, spec.colour_order
    )  # fmt: skip
    told, tensor = probe.preprocess(picture if sent is None else sent, spec, fit, size, **how)
    assert (tuple(told["canvas"]), tuple(told["content"])) == (placement.canvas, placement.content)
    np.testing.assert_allclose(
        told["ratio"] + told["shift"], placement.ratio + placement.shift, atol=1e-9
    )
    levels = np.abs(expected[0] - tensor) * np.array(spec.std)[:, None, None]
    assert levels.max() <= LEVEL
    return levels.max()


@settings(max_examples=80)
@given(
    width=st.integers(1, 700), height=st.integers(1, 700), columns=st.integers(1, 16),
    rows=st.integers(1, 16), fit=st.sampled_from(FITS), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_sizes(probe, width, height, columns, rows, fit, seed):
    compare(probe, picture_of(width, height, seed), fit, (32 * columns, 32 * rows))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(1, 1), (1, 8000), (8000, 1), (3000, 2000), (2, 1), (1, 31)])
def test_extreme_pictures(probe, fit, size):
    compare(probe, picture_of(*size), fit, (320, 192))


def test_real_pictures_agree_to_the_last_grey_level_nearly_everywhere(probe, coco_mini):
    differing = 0
    for file in sorted((coco_mini / "images").iterdir())[:20]:
        differing += compare(probe, cv2.imread(str(file)), "letterbox", (320, 320)) > 0.1
    assert differing <= 1


@pytest.mark.parametrize("order", ["bgr", "rgb"])
@pytest.mark.parametrize("pixel_format", ["bgr", "rgb", "bgra", "rgba", "gray"])
def test_pixel_formats(probe, pixel_format, order):
    bgr = picture_of(50, 31)
    if pixel_format == "gray":
        bgr = cv2.cvtColor(bgr[:, :, 0], cv2.COLOR_GRAY2BGR)
    sent = {
        "bgr": bgr, "rgb": bgr[:, :, ::-1], "gray": bgr[:, :, :1],
        "bgra": np.dstack([bgr, bgr[:, :, 0]]), "rgba": np.dstack([bgr[:, :, ::-1], bgr[:, :, 1]]),
    }[pixel_format]  # fmt: skip
    spec = Spec(
        class_names=("a",), colour_order=order, mean=(1, 50, 200), std=(10, 60, 150), **NANODET_M
    )
    compare(probe, bgr, "letterbox", (96, 64), spec, sent, pixel_format=pixel_format)


def test_rows_may_lie_apart(probe):
    picture = picture_of(20, 9)
    wide = np.full((9, 100), 77, np.uint8)
    wide[:, :60] = picture.reshape(9, 60)
    # the last row ends with its last pixel: nothing behind it may be read
    data = wide.tobytes()[: 8 * 100 + 60]
    compare(probe, picture, "letterbox", (64, 64), stride=100, data=data)


@pytest.mark.parametrize(
    ("shape", "stride"), [((0, 5), 15), ((5, 0), 15), ((5, 5), 14), ((5, 5), 0), ((5, 5), -15)]
)
def test_pictures_without_sense_are_refused(probe, shape, stride):
    picture = np.zeros((*shape, 3), np.uint8)
    with pytest.raises(ProbeError, match=r"^picture: "):
        probe.preprocess(picture, SPEC, "letterbox", (64, 64), stride=stride, data=bytes(100))


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("form", ["i420", "nv12", "nv21"])
def test_camera_frames(probe, form, turn):
    """Full-range BT.601 as JFIF has it: cv2's YCrCb, not its limited-range YUV."""
    width, height = 46, 30
    random = np.random.default_rng(1)
    y = random.integers(0, 256, (height, width), np.uint8)
    u, v = random.integers(0, 256, (2, height // 2, width // 2), np.uint8)
    chroma = {"i420": np.concatenate([u.ravel(), v.ravel()]),
              "nv12": np.dstack([u, v]).ravel(), "nv21": np.dstack([v, u]).ravel()}  # fmt: skip
    at = width * height
    offsets = {"i420": (at, at + u.size), "nv12": (at, at + 1), "nv21": (at + 1, at)}[form]
    step = 1 if form == "i420" else 2
    head, data = probe.ask(
        "to_bgr", y.tobytes() + chroma[form].tobytes(), width=width, height=height, turn=turn, y=0,
        u=offsets[0], v=offsets[1], y_stride=width, chroma_stride=step * width // 2, chroma_step=step,
    )  # fmt: skip
    found = np.frombuffer(data, np.uint8).reshape(head["height"], head["width"], 3)
    ycrcb = np.dstack([y, v.repeat(2, 0).repeat(2, 1), u.repeat(2, 0).repeat(2, 1)])
    expected = np.rot90(cv2.cvtColor(ycrcb, cv2.COLOR_YCrCb2BGR), -turn // 90)
    assert np.abs(found.astype(int) - expected).max() <= 1
