"""The C++ decoder gives Python's boxes in Python's order."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probe import ProbeError
from specs import NANODET_M

from nanodet.runtime.decode import decode
from nanodet.runtime.fit import FITS, place
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import Spec

PIXELS = 0.01


def spec_of(classes=3, **changes):
    return Spec(class_names=tuple(f"c{i}" for i in range(classes)), **NANODET_M | changes)


def random_output(spec, size, seed, mean=-2.0, sharpness=3.0):
    """Return float32 (points, channels) with scores after sigmoid and random distributions."""
    random = np.random.default_rng(seed)
    points, classes = spec.point_count(size), len(spec.class_names)
    scores = 1 / (1 + np.exp(-random.normal(mean, 1.5, (points, classes))))
    logits = random.normal(0, sharpness, (points, spec.channels - classes))
    return np.concatenate([scores, logits], axis=1).astype(np.float32)


def quality_of(topk, hidden, seed=0):
    """Return a random predictor, whose values are spread over most of 0..1."""
    random = np.random.default_rng(seed)
    return QualityPredictor.of(
        topk, random.normal(0, 1, hidden * 4 * (topk + 1)), random.normal(0, 1, hidden),
        random.normal(0, 3 / np.sqrt(hidden), hidden), random.normal(1, 1, 1),
    )  # fmt: skip


def constant_quality(bias):
    return QualityPredictor(1, 1, (0.0,) * 8, (0.0,), (0.0,), bias)


def compare(probe, output, spec, size):
    """Compare in network pixels; return the number of boxes."""
    expected = decode(output, spec, size)
    found, allocations = probe.decode(output, spec, size)
    assert found[:, 5].tolist() == expected.class_id.tolist()
    # a quality depends on the order in which its sums are made
    exact = 0 if spec.quality is None else 1e-5
    np.testing.assert_allclose(found[:, 4], expected.confidence, rtol=exact, atol=0)
    np.testing.assert_allclose(found[:, :4], expected.xyxy, rtol=1e-6, atol=PIXELS)
    stds = np.zeros((len(found), 4)) if expected.edge_std is None else expected.edge_std
    np.testing.assert_allclose(found[:, 6:], stds, rtol=1e-5, atol=PIXELS)
    assert allocations == 0, "a second frame like the first must not allocate"
    return len(found)


@pytest.mark.parametrize("offset", [0.5, 0.0])
@pytest.mark.parametrize("size", [(320, 320), (512, 288), (32, 32), (96, 416)])
def test_random_outputs(probe, offset, size):
    spec = spec_of(80, point_offset=offset, input_size=size)
    assert compare(probe, random_output(spec, size, seed=1), spec, size) > 0


def test_no_detections(probe):
    spec = spec_of()
    assert compare(probe, random_output(spec, (320, 320), 0, mean=-30), spec, (320, 320)) == 0


def test_the_best_ten_thousand_of_twenty_thousand_candidates(probe):
    spec = spec_of(80, score=0.2, per_level=10**9, per_picture=10**9)
    output = random_output(spec, (320, 320), seed=2, mean=-2.8)
    assert (output[:, :80] > 0.2).sum() > 20_000
    assert compare(probe, output, spec, (320, 320)) > 1000


def test_the_best_of_each_level_are_kept(probe):
    spec = spec_of(80, score=0.2, per_level=50, per_picture=1000, nms_iou=1.0)
    assert compare(probe, random_output(spec, (320, 320), 3), spec, (320, 320)) == 150


def test_equal_scores_keep_the_order_of_the_points(probe):
    spec = spec_of(2, score=0.1)
    output = random_output(spec, (320, 320), seed=4, mean=-2)
    output[:, :2] = np.round(output[:, :2], 1)
    assert compare(probe, output, spec, (320, 320)) > 50


def test_class_agnostic_nms(probe):
    """Two classes on one object, and equal scores: fewer boxes than within each class, in order."""
    spec = spec_of(20, score=0.1, per_picture=2000)
    output = random_output(spec, (320, 320), seed=9, mean=-2)
    output[:, :20] = np.round(output[:, :20], 1)
    within = compare(probe, output, spec, (320, 320))
    spec.class_agnostic_nms = True
    over_all = compare(probe, output, spec, (320, 320))
    assert 50 < over_all < within / 2


def test_a_score_must_be_above_the_threshold(probe):
    spec = spec_of(1, score=0.5)
    output = random_output(spec, (64, 64), seed=8)
    output[:, 0] = 0.5
    output[7, 0] = np.nextafter(np.float32(0.5), np.float32(1))
    assert compare(probe, output, spec, (64, 64)) == 1


@pytest.mark.parametrize(
    "changes", [{}, {"quality": quality_of(4, 8)}, {"class_agnostic_nms": True}, {"per_level": 90}],
    ids=lambda changes: " ".join(changes) or "usual",
)  # fmt: skip
def test_scores_per_class(probe, changes):
    """They decide before limits and NMS."""
    spec = spec_of(3, class_scores=(0.1, 0.55, 1.0), per_picture=10_000, **changes)
    output = random_output(spec, (160, 128), seed=17, mean=-1.5)
    output[:, :3] = np.round(output[:, :3], 2)
    assert compare(probe, output, spec, (160, 128)) > 20
    found = decode(output, spec, (160, 128))
    assert set(found.class_id) == {0, 1}
    assert min(found.confidence[found.class_id == 1]) > 0.55
    assert min(found.confidence[found.class_id == 0]) < 0.35


def test_peaked_distributions(probe):
    """Logits of +-80 underflow in a softmax without care."""
    spec = spec_of(2, reg_max=16)
    assert compare(probe, random_output(spec, (160, 96), 5, sharpness=40), spec, (160, 96)) > 0


@pytest.mark.parametrize(
    "changes",
    [{"form": "distances"}, {"form": "gaussians"}, {"bin_spacing": 0.5}, {"bin_spacing": 7.0},
     {"reg_max": 3, "bin_spacing": 0.1}, {"reg_max": 32, "bin_spacing": 0.25},
     {"form": "gaussians", "edge_std_factors": (0.5, 2.0, 1e3)}, {"edge_std_factors": (1e-6, 1, 2)}],
    ids=lambda changes: " ".join(map(str, changes.values())),
)  # fmt: skip
def test_box_codes(probe, changes):
    spec = spec_of(5, **changes)
    assert compare(probe, random_output(spec, (160, 128), seed=11), spec, (160, 128)) > 20


@pytest.mark.parametrize(
    ("topk", "hidden", "changes"),
    [(4, 64, {}), (1, 2, {}), (8, 3, {}), (5, 130, {"bin_spacing": 0.5}), (2, 8, {"reg_max": 1}),
     (4, 64, {"per_level": 10, "nms_iou": 1.0})],
)  # fmt: skip
def test_quality(probe, topk, hidden, changes):
    """It is in the scores before the threshold and the limits of levels, and changes the order."""
    spec = spec_of(3, quality=quality_of(topk, hidden), score=0.2, **changes)
    size = (160, 128)
    output = random_output(spec, size, seed=13, mean=-1.5)
    assert compare(probe, output, spec, size) > 20
    plain = decode(output, dataclasses.replace(spec, quality=None), size)
    assert plain.class_id.tolist() != decode(output, spec, size).class_id.tolist()


def test_a_quality_of_one_half(probe):
    """Products must be above the threshold; ties stay in the order of the output."""
    spec = spec_of(2, quality=constant_quality(0.0), score=0.25)
    output = random_output(spec, (64, 64), seed=14)
    output[:, :2] = 0.5
    output[[3, 70, 7], [0, 1, 1]] = [1.0, 1.0, np.nextafter(np.float32(0.5), np.float32(1))]
    found, _ = probe.decode(output, spec, (64, 64))
    assert found[:, 4].tolist() == [0.5, 0.5, np.nextafter(np.float32(0.25), np.float32(1))]
    assert compare(probe, output, spec, (64, 64)) == 3
    output[:, :2] = np.round(np.random.default_rng(0).uniform(0, 1, output[:, :2].shape), 1)
    assert compare(probe, output, spec, (64, 64)) > 10


@pytest.mark.parametrize("bias", [1e6, -1e6])
def test_a_quality_without_doubt(probe, bias):
    spec = spec_of(3, quality=constant_quality(bias))
    output = random_output(spec, (96, 64), seed=15)
    plain = decode(output, dataclasses.replace(spec, quality=None), (96, 64))
    assert compare(probe, output, spec, (96, 64)) == (len(plain) if bias > 0 else 0)
    assert len(plain) > 10


@pytest.mark.parametrize("form", ["distances", "gaussians"])
def test_values_far_beyond_any_picture(probe, form):
    """Boxes and deviations stay finite, and are Python's."""
    spec = spec_of(1, form=form, score=0.1)
    output = random_output(spec, (64, 64), seed=12)
    output[:, 1:] = [3e38, -3e38, 100, -100, 3e38, -3e38, 90, -90][: spec.channels - 1]
    found, _ = probe.decode(output, spec, (64, 64))
    assert len(found) and np.isfinite(found).all()
    expected = decode(output, spec, (64, 64))
    np.testing.assert_allclose(found[:, :4], expected.xyxy, rtol=1e-6)
    if expected.edge_std is not None:
        np.testing.assert_allclose(found[:, 6:], expected.edge_std, rtol=1e-5)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("picture", [(640, 480), (100, 700), (1, 1), (8000, 1)])
def test_boxes_go_back_into_the_picture(probe, fit, picture):
    """The large logits put boxes over every edge of the image: they are clipped to it."""
    spec = spec_of(fit=fit, input_size=(320, 192), any_size=True)
    placement = place(fit, picture, spec.input_size)
    output = random_output(spec, placement.canvas, seed=6)
    expected = decode(output, spec, placement.canvas)
    boxes = placement.to_picture(expected.xyxy, picture)
    # Placement depends on the input's size, which own and stretch may round up
    found, _ = probe.decode(output, dataclasses.replace(spec, fit="letterbox"), placement.canvas)
    assert len(found) == len(expected)
    if placement.canvas == spec.input_size:
        found, _ = probe.decode(output, spec, spec.input_size, picture)
        # the unit of the comparison is the network's pixel: an image pixel may be much larger
        unit = np.array(2 * placement.ratio)
        np.testing.assert_allclose(found[:, :4] * unit, boxes * unit, rtol=0, atol=PIXELS)
        assert found[:, :4].min() >= 0
        assert (found[:, :4].max(axis=0) <= np.array(2 * picture)).all()
        stds = placement.lengths_to_picture(expected.edge_std)
        np.testing.assert_allclose(found[:, 6:] * unit, stds * unit, rtol=1e-5, atol=PIXELS)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32), classes=st.integers(1, 20), reg_max=st.integers(1, 20),
    columns=st.integers(1, 8), rows=st.integers(1, 8), offset=st.sampled_from([0.0, 0.5, -1.25]),
    strides=st.sampled_from([(8, 16, 32), (8, 16, 32, 64), (7,), (32, 100)]),
    score=st.floats(0, 1), nms_iou=st.floats(0, 1), per_level=st.integers(1, 300),
    per_picture=st.integers(1, 200), class_agnostic_nms=st.booleans(),
    form=st.sampled_from(["distributions", "distances", "gaussians"]),
    bin_spacing=st.sampled_from([1.0, 0.5, 0.125]),
    scores=st.none() | st.lists(st.floats(0, 1), min_size=20, max_size=20),
)  # fmt: skip
def test_any_model(probe, seed, columns, rows, scores, **values):
    values["point_offset"] = values.pop("offset")
    values["class_scores"] = None if scores is None else tuple(scores[: values["classes"]])
    spec = spec_of(**values)
    size = (32 * columns, 32 * rows)
    compare(probe, random_output(spec, size, seed), spec, size)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(probe, value):
    spec = spec_of()
    output = random_output(spec, (64, 64), 7)
    output[3, 20] = value
    with pytest.raises(ProbeError, match="not finite"):
        probe.decode(output, spec, (64, 64))


@pytest.mark.parametrize("rows, channels", [(-1, 0), (1, 0), (0, -1), (0, 4)])
def test_outputs_that_do_not_fit_are_refused(probe, rows, channels):
    spec = spec_of()
    wanted = spec.point_count((64, 64)) + rows, spec.channels + channels
    with pytest.raises(ProbeError, match=rf"model: its output is {wanted[0]} x {wanted[1]}, but"):
        probe.decode(np.zeros(wanted), spec, (64, 64), channels=wanted[1])
