"""`nanodet export --nms`: an ONNX file that ends in boxes gives those of `Detector`."""

import dataclasses
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from specs import NANODET_M

from nanodet import Detector, NanodetError
from nanodet.compare.boxes import compare_boxes
from nanodet.compare.tensors import generated_picture, picture_tensors
from nanodet.export import onnx_nms
from nanodet.export.export import export
from nanodet.export.stages import SIMPLIFIED
from nanodet.images.image_file import read_picture
from nanodet.runtime.decode import decode
from nanodet.runtime.engines.onnx import IOU_INPUT, SCORE_INPUT, OnnxBackend
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import Spec
from nanodet.runtime.thresholds import Thresholds


@pytest.fixture(scope="module")
def plain(exported_small):
    return exported_small.files[SIMPLIFIED]


@pytest.fixture(scope="module")
def boxes(plain, tmp_path_factory):
    path = tmp_path_factory.mktemp("nms") / "small-nms.onnx"
    onnx_nms.write(plain, path, OnnxBackend(plain).spec)
    return path


def assert_same(found, expected):
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-4)
    np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=0.05)
    assert found.class_id.tolist() == expected.class_id.tolist()
    assert found.class_names == expected.class_names


def test_the_file_needs_nothing_but_onnx(boxes):
    model = onnx.load(boxes)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain for entry in model.opset_import} == {""}
    assert {node.domain for node in model.graph.node} == {""}
    session = onnxruntime.InferenceSession(boxes)
    assert [node.name for node in session.get_inputs()] == ["data"]
    assert [(node.name, node.type, node.shape) for node in session.get_outputs()] == [
        ("boxes", "tensor(float)", ["found", 4]), ("scores", "tensor(float)", ["found"]),
        ("labels", "tensor(int64)", ["found"]),
    ]  # fmt: skip
    tensor = picture_tensors(Spec(("a",), (160, 96), **NANODET_M), count=1)[0]
    given = {SCORE_INPUT: np.array(0.05, np.float32), IOU_INPUT: np.array(0.4, np.float32)}
    found, scores, labels = session.run(None, {"data": tensor, **given})
    assert len(found) == len(scores) == len(labels) > 3
    assert (np.diff(scores) <= 0).all()
    assert len(session.run(None, {"data": tensor})[0]) < len(found)


@pytest.mark.parametrize("size", [(160, 96), (32, 32), (96, 256)])
def test_every_size(plain, boxes, size):
    base = OnnxBackend(plain)
    assert compare_boxes(OnnxBackend(boxes), base, picture_tensors(base.spec.at_size(size))) > 9


@pytest.mark.parametrize(
    "thresholds",
    [
        {},
        {"score": 0.02, "nms_iou": 0.9},
        {"score": 0.3, "nms_iou": 0.1, "per_picture": 7},
        {"score": 1},
    ],
)
@pytest.mark.parametrize("fit", ["letterbox", "own"])
def test_detector_takes_the_file(plain, boxes, thresholds, fit):
    pair = Detector(boxes, fit=fit, **thresholds), Detector(plain, fit=fit, **thresholds)
    for seed in range(3):
        picture = generated_picture(seed, 300 + seed, 200)
        assert_same(pair[0](picture), pair[1](picture))


def test_scores_of_classes_are_applied_after_nms(plain, tmp_path):
    spec = dataclasses.replace(
        OnnxBackend(plain).spec, class_scores=(0.02, 0.2, 0.9), per_picture=1000
    )
    onnx_nms.write(plain, tmp_path / "m.onnx", spec)
    boxes, points = Detector(tmp_path / "m.onnx"), Detector(plain)
    points.thresholds = Thresholds.of(spec)
    one = Detector(tmp_path / "m.onnx", score=0.1)
    for seed in range(3):
        picture = generated_picture(seed, 300 + seed, 200)
        found = boxes(picture)
        assert_same(found, points(picture))
        assert 0 < found.confidence[found.class_id == 0].min() < 0.1
        assert_same(one(picture), Detector(plain, score=0.1, per_picture=1000)(picture))
    boxes.thresholds = Thresholds.of(spec, per_picture=3)
    assert_same(boxes(picture), found[:3])
    agnostic = dataclasses.replace(spec, class_agnostic_nms=True)
    assert onnx_nms.boxes_spec(agnostic).class_scores is None


@pytest.mark.parametrize(("per_level", "offset", "per_picture"), [(7, 0.0, 100), (1000, 0.5, 5)])
def test_limits_and_offset_of_the_spec(plain, tmp_path, per_level, offset, per_picture):
    base = OnnxBackend(plain)
    base.spec.per_level, base.spec.per_picture = per_level, per_picture
    base.spec.point_offset = offset
    onnx_nms.write(plain, tmp_path / "m.onnx", base.spec)
    other = OnnxBackend(tmp_path / "m.onnx")
    assert other.spec.to_dict()["output"]["form"] == "boxes"
    assert compare_boxes(other, base, picture_tensors(base.spec)) > 9


@pytest.mark.parametrize(
    ("form", "values", "bins"),
    [
        ("distributions", 32, {"reg_max": 14, "bin_spacing": 2.0}),
        ("distributions", 32, {"reg_max": 1, "bin_spacing": 1 / 7}),
        ("distances", 4, {}),
        ("gaussians", 8, {}),
    ],
)
def test_boxes_of_every_form(plain, tmp_path, form, values, bins):
    """The channels of a file, read as those of each form; what is left over are scores of classes."""
    base = OnnxBackend(plain)
    names = tuple(f"class {i}" for i in range(base.spec.channels - values))
    base.spec = dataclasses.replace(base.spec, class_names=names, form=form, **bins)
    onnx_nms.write(plain, tmp_path / "m.onnx", base.spec)
    other = OnnxBackend(tmp_path / "m.onnx")
    assert (other.spec.form, other.spec.bin_spacing) == ("boxes", 1)
    assert compare_boxes(other, base, picture_tensors(base.spec)) > 9


def write_constant(path, spec, output):
    """Write a model whose output is always the same (points, channels), whatever the image."""
    width, height = spec.input_size
    shapes = {"data": (1, 3, height, width), "output": (1, *output.shape)}
    nodes = [
        onnx.helper.make_node("ReduceMean", ["data"], ["mean"], keepdims=0),
        onnx.helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        onnx.helper.make_node("Add", ["nothing", "values"], ["output"]),
    ]
    arrays = {"zero": np.zeros(1, np.float32), "values": output[None].astype(np.float32)}
    graph = onnx.helper.make_graph(
        nodes, "constant",
        *([onnx.helper.make_tensor_value_info(name, 1, shapes[name])] for name in shapes),
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )  # fmt: skip
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    onnx_nms.write_spec(path, spec)


def boxes_of_constant(folder, seed=0, scale=1.0, **changes):
    """Compare the boxes in the graph of a random constant output with decoding; return them."""
    spec = Spec(("a", "b"), (64, 96), **NANODET_M | {"score": 0.3} | changes)
    random = np.random.default_rng(seed)
    output = random.normal(0, 3, (spec.point_count(spec.input_size), spec.channels))
    output[:, :2] = random.uniform(0, 1, (len(output), 2))
    output[:, 2:] *= scale
    write_constant(folder / "raw.onnx", spec, output)
    onnx_nms.write(folder / "raw.onnx", folder / "m.onnx", spec)
    backend, tensor = OnnxBackend(folder / "m.onnx"), np.zeros((1, 3, 96, 64), np.float32)
    assert compare_boxes(backend, OnnxBackend(folder / "raw.onnx"), [tensor]) > 9
    return backend.run(tensor)


@pytest.mark.parametrize("form", ["distances", "gaussians"])
def test_edges_far_beyond_any_picture_end_where_decoding_ends_them(tmp_path, form):
    found = boxes_of_constant(tmp_path, scale=1e37, form=form, nms_iou=1.0)
    assert np.isfinite(found).all() and np.abs(found[:, :4]).max() > 1e6


@pytest.mark.parametrize(
    "limits", [{}, {"per_level": 7}, {"class_agnostic_nms": True, "per_level": 20, "nms_iou": 0.9}]
)
@pytest.mark.parametrize("bins", [{}, {"reg_max": 4, "bin_spacing": 0.5}])
def test_scores_times_the_quality(tmp_path, limits, bins):
    random = np.random.default_rng(1)
    quality = QualityPredictor.of(3, *(random.normal(0, 1, size) for size in (6 * 16, 6, 6, 1)))
    found = boxes_of_constant(tmp_path, quality=quality, **bins, **limits)
    assert 0.3 < found[:, 4].min() < found[:, 4].max() < 1


@pytest.mark.parametrize("limits", [{}, {"per_level": 7}, {"nms_iou": 1.0, "per_picture": 11}])
def test_nms_over_all_classes(plain, tmp_path, limits):
    base = OnnxBackend(plain)
    base.spec = dataclasses.replace(base.spec, class_agnostic_nms=True, **limits)
    onnx_nms.write(plain, tmp_path / "m.onnx", base.spec)
    other = OnnxBackend(tmp_path / "m.onnx")
    assert other.spec.class_agnostic_nms
    for size in ((160, 96), (96, 256)):
        assert compare_boxes(other, base, picture_tensors(base.spec.at_size(size))) > 9
    with pytest.raises(NanodetError, match="its class_agnostic_nms is fixed at True"):
        Detector(tmp_path / "m.onnx", class_agnostic_nms=False)(generated_picture(0))


def test_nms_over_all_classes_gives_fewer_boxes(plain):
    limits = {"score": 0.02, "per_picture": 10_000}
    within, over_all = (
        Detector(plain, class_agnostic_nms=agnostic, **limits)(generated_picture(1))
        for agnostic in (False, True)
    )
    assert 0 < len(over_all) < len(within)


def test_what_the_graph_has_fixed_is_told(boxes, tmp_path):
    with pytest.raises(NanodetError, match="its per_level is fixed at 1000"):
        Detector(boxes, per_level=5)(generated_picture(0))
    with pytest.raises(NanodetError, match="its per_picture is fixed at 100"):
        Detector(boxes, per_picture=101)(generated_picture(0))
    model = onnx.load(boxes)
    thresholds = [node for node in model.graph.input if node.name != "data"]
    for node in thresholds:
        model.graph.input.remove(node)
    onnx.save(model, tmp_path / "fixed.onnx")
    detector = Detector(tmp_path / "fixed.onnx")
    assert_same(detector(generated_picture(3)), Detector(boxes)(generated_picture(3)))
    with pytest.raises(NanodetError, match=r"fixed\.onnx: its score_threshold is fixed at 0\.35"):
        Detector(tmp_path / "fixed.onnx", score=0.1)(generated_picture(3))


def test_a_graph_that_gives_other_boxes_is_found_out(plain, boxes, tmp_path):
    base = OnnxBackend(plain)
    model = onnx.load(boxes)
    bins = next(w for w in model.graph.initializer if list(w.dims) == [8] and w.data_type == 1)
    bins.CopyFrom(numpy_helper.from_array(np.arange(8, dtype=np.float32) + 0.1, bins.name))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(NanodetError, match="boxes in the graph: "):
        compare_boxes(OnnxBackend(tmp_path / "m.onnx"), base, picture_tensors(base.spec))


class Played:
    """Plays a raw output as a backend; given a score, the boxes that decoding makes of it."""

    def __init__(self, spec, output):
        self.spec, self.output = spec, output

    def run(self, tensor, score=None):
        if score is None:
            return self.output
        found = decode(
            self.output, self.spec, tensor.shape[:1:-1], Thresholds.of(self.spec, score=score)
        )
        return np.column_stack([found.xyxy, found.confidence, found.class_id])


def test_the_order_of_boxes_that_score_alike_is_no_fault():
    spec = Spec(("a", "b"), (160, 96), **NANODET_M)
    tensors = picture_tensors(spec, count=1)
    rng = np.random.default_rng(0)
    output = rng.normal(0, 3, (20 * 12 + 10 * 6 + 5 * 3, 2 + 32)).astype(np.float32)
    output[:, :2] = np.float32(0.5) + rng.integers(0, 40, (len(output), 2)) / np.float32(100)
    other = output.copy()
    other[:, :2] += rng.uniform(-6e-8, 6e-8, (len(output), 2)).astype(np.float32)
    assert compare_boxes(Played(spec, other), Played(spec, output), tensors) > 9
    moved = dataclasses.replace(spec, point_offset=0.2)
    with pytest.raises(NanodetError, match="boxes in the graph: "):
        compare_boxes(Played(moved, other), Played(spec, output), tensors)


def test_nms_wants_onnx(small_checkpoint, tmp_path):
    with pytest.raises(NanodetError, match="--nms: is for ONNX files"):
        export(small_checkpoint, tmp_path, formats=("ncnn",), nms=True)


def test_nanodet_m_on_pictures(exported_real, coco_mini, tmp_path):
    # away from their folder: they must need nothing of it
    plain, boxes = (
        shutil.copy(next(f for f in exported_real.files.values() if f.name == name), tmp_path)
        for name in ("nanodet-m_320.onnx", "nanodet-m_320-nms.onnx")
    )
    pictures = [read_picture(path) for path in sorted((coco_mini / "images").iterdir())[:20]]
    for size in ((320, 320), (512, 288)):
        pair = Detector(boxes, score=0.1, size=size), Detector(plain, score=0.1, size=size)
        results = [(pair[0](picture), pair[1](picture)) for picture in pictures]
        assert sum(len(found) for found, _ in results) > 100
        for found, expected in results:
            assert_same(found, expected)
