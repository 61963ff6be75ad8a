"""Models whose outputs are one map of logits per level give what those of the layout ``rows`` give."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maps_model import SPEC, maps_of, weights_of, write_ncnn, write_onnx
from onnx import helper

from nanodet import Detector
from nanodet.errors import NanodetError
from nanodet.runtime.decode import decode
from nanodet.runtime.engines import Request, load
from nanodet.runtime.engines.backend import check_form
from nanodet.runtime.outputs import logit_below, points_in, rows_of, sigmoid
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import Spec
from nanodet.runtime.thresholds import Thresholds
from nanodet.visualize import edge_distributions

SIZE = (96, 64)
QUALITY = QualityPredictor(1, 1, (0.5,) * 8, (0.5,), (-2.0,), 2.0)


def random_maps(spec, size, seed):
    """Return maps with logits in steps, so that many scores are equal."""
    random = np.random.default_rng(seed)
    shapes = [(spec.channels, rows, columns) for columns, rows in spec.level_sizes(size)]
    maps = [random.normal(0, 2, shape).astype(np.float32) for shape in shapes]
    for one in maps:
        one[:3] = np.round(one[:3] - 2)
    return maps


def same(found, wanted):
    assert found.point.tolist() == wanted.point.tolist()
    assert found.class_id.tolist() == wanted.class_id.tolist()
    np.testing.assert_allclose(found.confidence, wanted.confidence, rtol=1e-6)
    np.testing.assert_allclose(found.xyxy, wanted.xyxy, rtol=1e-5, atol=1e-4)
    assert (found.edge_std is None) == (wanted.edge_std is None)
    if wanted.edge_std is not None:
        np.testing.assert_allclose(found.edge_std, wanted.edge_std, rtol=1e-5, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([SIZE, (32, 128), (416, 32)]),
    form=st.sampled_from(["distributions", "distances", "gaussians", "quality"]),
    score=st.sampled_from([0.0, 1e-30, 0.05, float(sigmoid(np.float32(-2))), 0.5, 0.999, 1.0]),
    limits=st.sampled_from([(1000, 100), (5, 7)]),
    scores=st.sampled_from([None, (0.05, 0.999, 0.5)]),
)
def test_decoding_gives_the_boxes_of_rows(seed, size, form, score, limits, scores):
    more = {"quality": QUALITY} if form == "quality" else {"form": form}
    spec = dataclasses.replace(SPEC, **more)
    maps = random_maps(spec, size, seed)
    wide = [np.empty((len(one), one[0].size + 3), np.float32) for one in maps]
    for gap, one in zip(wide, maps, strict=True):  # channels apart, as ncnn's may lie
        gap[:, :-3] = one.reshape(len(one), -1)
    gaps = [w[:, :-3].reshape(one.shape) for w, one in zip(wide, maps, strict=True)]
    thresholds = Thresholds.of(
        spec, score=score, per_level=limits[0], per_picture=limits[1], class_scores=scores
    )
    wanted = decode(rows_of(maps, 3, "m"), spec, size, thresholds)
    assert len(wanted) or score > 0.5 or form == "quality"
    same(decode(maps, spec, size, thresholds), wanted)
    same(decode(gaps, spec, size, thresholds), wanted)


@pytest.mark.parametrize("threshold", [1e-38, 1e-6, 0.05, 0.5, 0.9, 0.999999, 1 - 2**-24])
def test_no_score_above_the_threshold_is_lost(threshold):
    """A score and its logit are rounded: comparing logits alone may differ by some steps of float32."""
    limit = np.float32(logit_below(threshold) + 1e-4)
    logits = limit + np.arange(-3000, 3000, dtype=np.float32) * np.spacing(limit)
    maps = [logits.reshape(1, 60, 100)]
    points, _, scores = points_in(maps, 1).above(threshold)
    assert points.tolist() == np.flatnonzero(sigmoid(logits) > threshold).tolist()
    assert (scores > np.float32(threshold)).all()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    return {
        "ncnn": write_ncnn(folder / "m.param"),
        "onnxruntime": write_onnx(folder / "m.onnx"),
        "openvino": folder / "m.onnx",
    }


def load_with(models, engine, strict=True):
    if engine == "openvino":
        pytest.importorskip("openvino")
    return load(models[engine], Request(strict=strict), engine)


ENGINES = ["ncnn", "onnxruntime", "openvino"]


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_give_maps_and_rows(models, engine):
    backend = load_with(models, engine)
    # 288 x 32: a level of 9 points, between whose channels ncnn leaves gaps
    for size in (SIZE, (288, 32), (32 * 5, 96)):
        tensor = np.random.default_rng(1).normal(size=(1, 3, *size[::-1])).astype(np.float32)
        wanted = maps_of(SPEC, weights_of(SPEC), tensor)
        found = backend.maps(tensor)
        again = backend.maps(-tensor)
        for one, expected in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-3)
        assert not np.allclose(found[0], again[0])  # which has not changed the first
        rows = backend.run(tensor)
        np.testing.assert_allclose(rows, rows_of(wanted, 3, "m"), rtol=1e-4, atol=1e-3)
        assert rows.shape == (SPEC.point_count(size), SPEC.channels)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_detector_finds_what_rows_give(models, engine):
    load_with(models, engine)
    engine_or_none = None if engine == "ncnn" else engine
    detector = Detector(models[engine], engine=engine_or_none)
    picture = cv2.resize(
        np.random.default_rng(2).integers(0, 256, (8, 12, 3), np.uint8), (192, 128)
    )
    found = detector(picture)
    tensor, placement = detector.preprocess(picture)
    same(found, detector.decode(detector.backend.run(tensor), placement, picture.shape))
    assert len(found) > 5
    edges = edge_distributions(detector, picture)
    assert edges.probabilities.shape == (len(found), 4, 8)


def test_a_batch_has_an_image_at_every_position(tmp_path):
    backend = load(write_onnx(tmp_path / "b.onnx", dataclasses.replace(SPEC, batch=3)))
    tensor = np.random.default_rng(3).normal(size=(1, 3, 64, 96)).astype(np.float32)
    rows = backend.run(tensor)
    assert backend.run_slots(tensor).shape == (3, *rows.shape)
    np.testing.assert_allclose(
        backend.run_slots(tensor), rows[None].repeat(3, 0), rtol=1e-4, atol=1e-4
    )


def write(engine, folder, **changes):
    if engine == "ncnn":
        return write_ncnn(folder / "m.param", **changes)
    return write_onnx(folder / "m.onnx", **changes)


def line(path, engine):
    """Return the message of a detector that cannot use a model."""
    if engine == "openvino":
        pytest.importorskip("openvino")
    with pytest.raises(NanodetError) as caught:
        Detector(path, engine=None if engine == "ncnn" else engine)(np.zeros((64, 96, 3), np.uint8))
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


@pytest.mark.parametrize("engine", ENGINES)
def test_outputs_that_are_missing(tmp_path, engine):
    names = ("output_8", "output_12", "output_32")
    message = line(write(engine, tmp_path, names=names), engine)
    assert (
        "its spec says input data and output output_8, output_16, output_32, but it has " in message
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_the_map_of_another_level(tmp_path, engine):
    names = ("output_16", "output_8", "output_32")
    message = line(write(engine, tmp_path, names=names), engine)
    assert (
        "its output output_8 is 35 x 4 x 6, but its spec says 35 (3 classes + 4 x 8) x 8 x 12"
        in message
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_map_of_other_channels(tmp_path, engine):
    weights = weights_of(SPEC)
    weights[1] = tuple(one[:-1] for one in weights[1])
    message = line(write(engine, tmp_path, weights=weights), engine)
    assert "its output output_16 is 34 x " in message
    assert ", but its spec says 35 (3 classes + 4 x 8) x 4 x 6" in message


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_map_of_other_dimensions(tmp_path, engine):
    after = [helper.make_node("Flatten", ["made_0"], ["output_8"])]
    message = line(write(engine, tmp_path, after=after), engine)
    assert (
        "its output output_8 is " in message and " says 35 (3 classes + 4 x 8) x 8 x 12" in message
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_values_that_are_not_finite(tmp_path, engine):
    weights = weights_of(SPEC)
    weights[2][0][20] = 3e38
    message = line(write(engine, tmp_path, weights=weights), engine)
    assert "its output output_32 holds values that are not finite numbers" in message


def test_a_level_that_the_spec_leaves_out_is_refused():
    given = {"data": (1, 3, 64, 96)}
    made = dict.fromkeys([*SPEC.output_names, "output_more", "other_64"])
    check_form(SPEC, "m", given, made)
    with pytest.raises(
        NanodetError, match=r"output output_8, output_16, but it has data and .*_32"
    ):
        check_form(dataclasses.replace(SPEC, strides=SPEC.strides[:2]), "m", given, made)


def test_maps_that_cannot_be_rows_are_one_line():
    for shapes in ([(3, 2, 2), (4, 1, 1)], [(3, 2)]):
        with pytest.raises(NanodetError, match=r"^m: its outputs are 3 x 2.*, not maps$"):
            rows_of([np.zeros(shape, np.float32) for shape in shapes], 1, "m")


def test_a_spec_checks_maps_and_rows():
    spec = Spec.from_dict(SPEC.to_dict(), "m.json")
    assert spec == SPEC and spec.output_names == ("output_8", "output_16", "output_32")
    maps = random_maps(spec, SIZE, 0)
    spec.check_output(maps, SIZE, "m")
    spec.check_output(rows_of(maps, 3, "m"), SIZE, "m")
    with pytest.raises(
        NanodetError, match=r"its output output_8 is 35 x 8 x 12, but .* x 8 x 11 at 88"
    ):
        spec.check_output(maps, (88, 64), "m")
