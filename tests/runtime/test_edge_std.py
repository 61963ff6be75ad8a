"""The standard deviation of each edge: from the distribution to pixels of the image."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import NANODET_M

from nanodet import Detections
from nanodet.errors import NanodetError
from nanodet.runtime.box_codes import BOX_CODES, Bins, variances
from nanodet.runtime.decode import decode, detections_of
from nanodet.runtime.fit import place
from nanodet.runtime.spec import Spec

SPEC = Spec(("a",), (64, 64), **NANODET_M)


def output_at(*points):
    """One box at each of these points (of 64 + 16 + 4), every edge split between two bins 2 apart."""
    output = np.zeros((SPEC.point_count((64, 64)), SPEC.channels), np.float32)
    for i, point in enumerate(points):
        output[point, 0] = 0.9 - 0.1 * i
        output[point, 1:].reshape(4, 8)[:, [1, 3]] = 50
    return output


def test_it_is_the_spread_of_the_distribution_times_the_stride():
    found = decode(output_at(9, 64, 81), SPEC, (64, 64))  # one of each level, too far apart for NMS
    assert found.level.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.edge_std, np.repeat([[8], [16], [32]], 4, 1), rtol=1e-5)


def test_factors_scale_their_level():
    spec = dataclasses.replace(SPEC, edge_std_factors=(0.5, 1.0, 2.0))
    found = decode(output_at(9, 64, 81), spec, (64, 64))
    np.testing.assert_allclose(found.edge_std[:, 0], [4, 16, 64], rtol=1e-5)


def test_in_the_image_each_axis_has_its_ratio():
    placement = place("stretch", (128, 32), (64, 64))  # ratio 0.5 along x and 2 along y
    found = detections_of(output_at(9), SPEC, placement, (128, 32))
    np.testing.assert_allclose(found.edge_std, [[16, 4, 16, 4]], rtol=1e-5)


def test_what_nms_removes_takes_its_own_along():
    output = output_at(27, 28, 64)
    output[27, 1:].reshape(4, 8)[:, [1, 3]] = 0  # flat: a box of 3.5 strides in all directions
    output[28, 1:].reshape(4, 8)[:, [1, 3]] = 0
    found = decode(output, SPEC, (64, 64))
    assert found.level.tolist() == [0, 1]
    np.testing.assert_allclose(found.edge_std[:, 0], [8 * 5.25**0.5, 16], rtol=1e-5)


def test_nothing_found_is_not_unknown():
    found = detections_of(output_at(), SPEC, place("stretch", (64, 64), (64, 64)), (64, 64))
    assert found.edge_std.shape == (0, 4) and found.level.shape == (0,)
    assert json.loads(found.to_json("a", 64, 64, uncertainty=True))["detections"] == []


def test_models_that_cannot_say_give_none(monkeypatch):
    boxes = dataclasses.replace(SPEC, form="boxes")
    rows = np.array([[1, 2, 3, 4, 0.5, 0]], np.float32)
    found = detections_of(rows, boxes, place("stretch", (64, 64), (64, 64)), (64, 64))
    assert found.edge_std is None and found.level is None
    with pytest.raises(NanodetError, match=r"m-nms\.onnx: --uncertainty: it outputs boxes without"):
        boxes.check_uncertainty("m-nms.onnx", "--uncertainty")
    monkeypatch.setitem(
        BOX_CODES, "distributions", BOX_CODES[SPEC.form]._replace(has_variance=False)
    )
    assert decode(output_at(9), SPEC, (64, 64)).edge_std is None
    assert decode(output_at(), SPEC, (64, 64)).edge_std is None
    with pytest.raises(NanodetError, match=r"its edges \(distributions\) have no standard dev"):
        SPEC.check_uncertainty("m.onnx", "--uncertainty")


@given(st.lists(st.floats(-80, 80, width=32), min_size=32, max_size=32))
def test_the_variance_is_never_negative_and_exact(logits):
    values = np.array([logits], np.float32)
    p = np.exp(values.astype(np.float64).reshape(4, 8) - values.reshape(4, 8).max(1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    bins = np.arange(8)
    exact = (p * (bins - (p @ bins)[:, None]) ** 2).sum(axis=1)
    found = variances(values, Bins(7))
    assert (found >= 0).all()
    np.testing.assert_allclose(found[0], exact, rtol=1e-3, atol=1e-10)


def test_it_follows_indexing_and_is_written_when_asked_for():
    stds = np.arange(12).reshape(3, 4) / 3
    found = Detections(np.zeros((3, 4)), [0.9, 0.5, 0.1], [0, 0, 0], ("a",), stds, [2, 0, 1])
    assert found.edge_std.dtype == np.float32 and found.level.dtype == np.int64
    for index in (1, [2, 0], slice(1, None), found.confidence < 0.6):
        part = found[index]
        wanted = np.atleast_1d(np.arange(3)[index])
        np.testing.assert_array_equal(part.edge_std, found.edge_std[wanted])
        assert part.level.tolist() == found.level[wanted].tolist()
    plain = found[1].to_json("a", 9, 9)
    assert "edge_std" not in plain
    (one,) = json.loads(found[1].to_json("a", 9, 9, uncertainty=True))["detections"]
    assert one.pop("edge_std") == [1.33, 1.67, 2.0, 2.33]
    assert json.loads(plain)["detections"] == [one]
    bare = Detections([[0, 0, 1, 1]], [0.5], [0])
    assert bare[0].edge_std is None and bare[0].level is None
    with pytest.raises(ValueError, match="no edge_std"):
        bare.to_json("a", 9, 9, uncertainty=True)
    with pytest.raises(ValueError, match=r"lengths differ: .* edge_std 2"):
        Detections([[0, 0, 1, 1]], [0.5], [0], edge_std=np.zeros((2, 4)))


@pytest.mark.parametrize(
    "factors", [[1.0], [1.0, 1.0, 0.0], [1, 1, -1], [1, 1, "1"], [], 1.0, None]
)
def test_factors_are_one_positive_number_per_stride(factors):
    mapping = SPEC.to_dict()
    assert "edge_std_factors" not in mapping["output"]
    mapping["output"]["edge_std_factors"] = factors
    with pytest.raises(NanodetError, match=r"m\.json: output\.edge_std_factors"):
        Spec.from_dict(mapping, "m.json")
    mapping["output"]["edge_std_factors"] = [1, 0.5, 2]
    assert mapping["format"] == 1
    assert Spec.from_dict(mapping, "m.json").edge_std_factors == (1.0, 0.5, 2.0)
