"""C++ decodes maps of logits to Python's boxes, and runs models that have them."""

import dataclasses

import cv2
import numpy as np
import pytest
from cpp_detect import fails
from maps_model import SPEC, weights_of, write_ncnn, write_onnx
from probe import ProbeError
from test_cpp_decode import PIXELS, quality_of, spec_of
from test_cpp_detect import compare as compare_detect

from nanodet import Detector
from nanodet.export.export import export
from nanodet.export.stages import FP32, SIMPLIFIED
from nanodet.runtime.decode import decode
from nanodet.runtime.outputs import rows_of

SCORES = tuple(np.linspace(0.05, 0.9, 20).tolist())  # one per class


def random_maps(spec, size, seed, mean=-2.0):
    random, classes = np.random.default_rng(seed), len(spec.class_names)
    shapes = [(spec.channels, rows, columns) for columns, rows in spec.level_sizes(size)]
    maps = [random.normal(0, 3, shape).astype(np.float32) for shape in shapes]
    for one in maps:
        one[:classes] = one[:classes] / 2 + mean
    return maps


def compare(probe, maps, spec, size, gap=0):
    """Compare in network pixels; return the number of boxes."""
    expected = decode(maps, spec, size)
    found, allocations = probe.decode(maps, spec, size, gap=gap)
    assert found[:, 5].tolist() == expected.class_id.tolist()
    np.testing.assert_allclose(found[:, 4], expected.confidence, rtol=1e-5, atol=0)
    np.testing.assert_allclose(found[:, :4], expected.xyxy, rtol=1e-6, atol=PIXELS)
    stds = np.zeros((len(found), 4)) if expected.edge_std is None else expected.edge_std
    np.testing.assert_allclose(found[:, 6:], stds, rtol=1e-5, atol=PIXELS)
    assert allocations == 0, "a second frame like the first must not allocate"
    rows, _ = probe.decode(
        rows_of(maps, len(spec.class_names), "m"), dataclasses.replace(spec, layout="rows"), size
    )
    np.testing.assert_allclose(found, rows, rtol=1e-5, atol=PIXELS)
    return len(found)


@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize("size", [(320, 320), (32, 32), (96, 416)])
@pytest.mark.parametrize(
    "changes",
    [{}, {"form": "distances"}, {"form": "gaussians", "edge_std_factors": (0.5, 2.0, 1e3)},
     {"bin_spacing": 0.5, "point_offset": 0.0}, {"quality": quality_of(4, 8)},
     {"per_level": 7, "class_agnostic_nms": True}, {"class_scores": SCORES},
     {"class_scores": SCORES, "quality": quality_of(4, 8)}],
    ids=lambda changes: " ".join(changes) or "usual",
)  # fmt: skip
def test_random_maps(probe, changes, size, gap):
    spec = spec_of(20, layout="maps", score=0.3, **changes)
    assert compare(probe, random_maps(spec, size, 1), spec, size, gap) > 0


@pytest.mark.parametrize("score", [0.0, float(1 / (1 + np.exp(np.float32(2)))), 0.5, 1.0])
def test_equal_scores_keep_the_order_of_the_points(probe, score):
    spec = spec_of(2, layout="maps", score=score)
    maps = random_maps(spec, (160, 96), 4, mean=0)
    for one in maps:
        one[:2] = np.round(one[:2])
    assert (compare(probe, maps, spec, (160, 96)) > 20) == (score < 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("gap", [0, 1])
def test_values_that_are_not_finite_are_refused(probe, value, gap):
    spec = spec_of(layout="maps")
    maps = random_maps(spec, (64, 64), 7)
    maps[1][20, 3, 3] = value
    with pytest.raises(
        ProbeError, match="model: its output output_16 holds values that are not finite"
    ):
        probe.decode(maps, spec, (64, 64), gap=gap)


@pytest.mark.parametrize("shape", [(34, 4, 4), (35, 4, 5), (35, 16, 1), (35, 8, 8)])
def test_maps_that_do_not_fit_are_refused_as_in_python(probe, shape):
    spec = spec_of(layout="maps")
    maps = random_maps(spec, (64, 64), 7)
    maps[1] = np.zeros(shape, np.float32)
    with pytest.raises(ProbeError) as caught:
        probe.decode(maps, spec, (64, 64))
    with pytest.raises(Exception, match="its output output_16 is") as expected:
        spec.check_output(maps, (64, 64), "model")
    assert str(caught.value) == str(expected.value)


def write(engine, folder, **changes):
    if engine == "ncnn":
        return write_ncnn(folder / "m.param", **changes)
    return write_onnx(folder / "m.onnx", **changes)


@pytest.mark.parametrize("engine", ["openvino", "ncnn"])
def test_models_find_what_python_finds(request, cpp_programs, tmp_path, engine):
    if engine == "ncnn":
        request.getfixturevalue("ncnn_option")
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(2)
    for i in range(3):
        cells = random.integers(0, 256, (8, 12, 3), np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), cv2.resize(cells, (200 + 90 * i, 128)))
    # a level of 9 points, between whose channels ncnn leaves gaps
    model = write(engine, tmp_path, spec=dataclasses.replace(SPEC, input_size=(288, 32)))
    count, differing = compare_detect(cpp_programs.detect, model, folder, tmp_path)
    assert count > 20 and differing == 0


@pytest.mark.parametrize("engine", ["openvino", "ncnn"])
def test_models_that_are_not_as_their_spec_says(request, sanitized_detect, tmp_path, engine):
    if engine == "ncnn":
        request.getfixturevalue("ncnn_option")
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 96, 3), np.uint8))
    few, large = weights_of(SPEC), weights_of(SPEC)
    few[1] = tuple(one[:-1] for one in few[1])
    large[2][0][20] = 3e38
    for changes, words in (
        (
            {"names": ("output_8", "output_12", "output_32")},
            "output output_8, output_16, output_32, ",
        ),
        (
            {"names": ("output_16", "output_8", "output_32")},
            "output output_8 is 35 x 4 x 6, but its spec",
        ),
        ({"weights": few}, "output output_16 is 34 x 4 x 6, but its spec says 35 (3 "),
        (
            {
                "spec": dataclasses.replace(SPEC, strides=SPEC.strides[:2]),
                "weights": weights_of(SPEC),
                "names": SPEC.output_names,
            },
            "output output_8, output_16, but it has ",
        ),
        ({"weights": large}, "output output_32 holds values that are not finite numbers"),
    ):
        model = write(engine, tmp_path, **changes)
        line = fails(sanitized_detect, model, tmp_path / "a.png", "--jsonl", tmp_path / "a.jsonl")
        assert line.startswith(str(model)) and words in line


@pytest.mark.slow
@pytest.mark.parametrize("stage", [SIMPLIFIED, FP32])
def test_the_real_model(cpp_programs, exported_real, coco_mini, root, shared, tmp_path, stage):
    """Python on rows, Python on maps and C++ on maps find the same."""
    made = export(
        shared / "weights" / "nanodet-m_320.ckpt", tmp_path / "out", root / "config" / "nanodet-m.yml",
        ["onnx" if stage == SIMPLIFIED else "ncnn-fp32"], target="x86", report=lambda line: None,
    )  # fmt: skip
    assert (made.spec.layout, exported_real.spec.layout) == ("maps", "rows")
    folder = tmp_path / "pictures"
    folder.mkdir()
    detectors = [Detector(one.files[stage]) for one in (made, exported_real)]
    for file in sorted((coco_mini / "images").iterdir())[:30]:
        picture = cv2.imread(str(file))
        cv2.imwrite(str(folder / f"{file.stem}.png"), picture)
        maps, rows = (detector(picture) for detector in detectors)
        assert maps.class_id.tolist() == rows.class_id.tolist()
        np.testing.assert_allclose(maps.confidence, rows.confidence, rtol=0, atol=1e-5)
        np.testing.assert_allclose(maps.xyxy, rows.xyxy, rtol=0, atol=0.02)
    count, differing = compare_detect(cpp_programs.detect, made.files[stage], folder, tmp_path)
    assert count > 100 and differing == 0
