"""A stage that cannot be right is left out, the others are written, and the folder holds one export."""

import contextlib
import io
import json
import shutil

import cv2
import numpy as np
import onnx
import pytest
import torch

from nanodet import Detector, NanodetError
from nanodet.cli.main import main
from nanodet.compare.tensors import generated_picture, picture_tensors
from nanodet.export.export import export
from nanodet.export.stages import BOXES, FP16, FP32, RAW, SIMPLIFIED, chosen_stages
from nanodet.files.files import sha256
from nanodet.model.torch_backend import TorchBackend
from nanodet.runtime.decode import decode
from nanodet.runtime.spec import Spec
from nanodet.runtime.thresholds import Thresholds
from nanodet.verify.report import format_report
from nanodet.verify.verify import verify


@pytest.fixture(scope="module")
def wide_checkpoint(small_checkpoint, tmp_path_factory):
    """The small checkpoint with weights that 16 bits cannot hold, and yet the same outputs.

    A factor that a leaky ReLU passes on and the next convolution takes back.
    """
    raw = torch.load(small_checkpoint, weights_only=True)
    state, start = raw["state_dict"], "avg_model.head.cls_convs.0.0."
    names = [name for name in state if name.startswith(start)]
    norm = next(name for name in names if name.endswith("running_mean")).rsplit(".", 1)[0]
    pointwise = next(n for n in names if n.endswith("weight") and state[n].shape[2:] == (1, 1))
    for part in ("weight", "bias"):
        state[f"{norm}.{part}"] *= 1e7
    state[pointwise] /= 1e7
    path = tmp_path_factory.mktemp("wide") / "small.ckpt"
    torch.save(raw, path)
    return path


@pytest.fixture(scope="module")
def left_out(wide_checkpoint, exported_small, tmp_path_factory):
    """Folder, exit status, output and errors of an export into the folder of another model's."""
    out = tmp_path_factory.mktemp("left_out") / "out"
    shutil.copytree(exported_small.files[SIMPLIFIED].parent, out)
    options = ["--nms", "--static", "--batch", "3"]
    command = ["export", str(wide_checkpoint), "--out", str(out), *options]
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        status = main(command)
    return out, status, printed.getvalue(), errors.getvalue()


@pytest.fixture(scope="module")
def fixed_shapes(wide_checkpoint, tmp_path_factory):
    """Folder of an export to ONNX alone, also with fixed shapes."""
    out = tmp_path_factory.mktemp("fixed")
    export(wide_checkpoint, out, formats=("onnx",), static=True, batch=3, report=lambda line: None)
    return out


@pytest.mark.slow
class TestLeftOut:
    def test_status_and_one_line(self, left_out):
        _, status, printed, errors = left_out
        assert status == 3
        (line,) = errors.splitlines()
        assert line.startswith(
            "nanodet: warning: export: ncnn fp16 left out: small-fp16.bin: layer conv"
        )
        assert "holds values that are not finite numbers" in line
        assert line.endswith(
            "; kept: small.onnx, small.param, small-nms.onnx, small-static.onnx, small-batch3.onnx"
        )
        assert "agrees" in printed and "DIFFERS" not in printed

    def test_the_others_are_there_and_nothing_old(self, left_out, wide_checkpoint):
        out, _, printed, _ = left_out
        assert sorted(p.name for p in out.iterdir() if p.is_file()) == [
            "small-batch3.json", "small-batch3.onnx", "small-nms.json", "small-nms.onnx",
            "small-static.json", "small-static.onnx", "small.bin", "small.json", "small.onnx",
            "small.param",
        ]  # fmt: skip
        assert sorted(p.name for p in out.iterdir() if p.is_dir()) == ["intermediate"]
        assert f"{out / 'small-fp16.param'}: removed: of another export" in printed
        spec = Spec.load(out / "small.json")
        assert set(spec.files) == {"small.onnx", "small.param", "small.bin"}
        assert set(spec.measured["against_torch"]) == {SIMPLIFIED, FP32}
        report = verify(wide_checkpoint, [out], limit=1)
        assert report.agrees, format_report(report)
        names = {row.name for row in report.rows}
        assert {RAW, SIMPLIFIED, BOXES, "onnx static", "onnx batch 3", FP32} <= names

    def test_the_file_that_ends_in_boxes(self, left_out):
        out, _, printed, _ = left_out
        assert "onnx with boxes: the same " in printed
        spec = Spec.load(out / "small-nms.json")
        assert spec.files == {"small-nms.onnx": sha256(out / "small-nms.onnx")}
        inside = Detector(out / "small-nms.onnx").spec
        assert (inside.form, inside.files) == ("boxes", {})
        assert main(["info", str(out / "small-nms.onnx")]) == 0
        formats = [
            json.loads((out / f"small{form}.json").read_text())["format"] for form in ("-nms", "")
        ]
        assert formats == [2, 1]

    @pytest.mark.slow
    def test_nothing_left_is_an_error(self, wide_checkpoint, exported_small, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(exported_small.files[SIMPLIFIED].parent, out)
        before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
        with pytest.raises(
            NanodetError, match=r"export: ncnn fp16: small-fp16\.bin: layer conv.* not finite"
        ):
            export(wide_checkpoint, out, formats=("ncnn-fp16",), report=lambda line: None)
        assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


@pytest.mark.slow
class TestFixedShapes:
    @pytest.mark.parametrize("name", ["small.onnx", "small-static.onnx", "small-batch3.onnx"])
    def test_lowest_versions(self, fixed_shapes, name):
        model = onnx.load(fixed_shapes / name)
        assert model.ir_version == 8  # ONNX Runtime 1.16 reads no more than 9
        assert [(one.domain, one.version) for one in model.opset_import] == [("", 18)]
        assert not any(node.metadata_props for node in model.graph.node)
        raw = (fixed_shapes / name).read_bytes()
        assert __file__.rsplit("/", 3)[0].encode() not in raw  # no path of this machine

    @pytest.mark.parametrize(("name", "batch"), [("small-static", 1), ("small-batch3", 3)])
    def test_opencv_finds_the_same_boxes(self, fixed_shapes, wide_checkpoint, name, batch):
        path = fixed_shapes / f"{name}.onnx"
        spec = Spec.load(path.with_suffix(".json"))
        assert (spec.batch, spec.any_size, spec.input_size) == (batch, False, (160, 96))
        graph = onnx.load(path).graph
        sides = [v.type.tensor_type.shape.dim for v in (*graph.input, *graph.output)]
        assert not any(side.dim_param for shape in sides for side in shape)
        tensors = picture_tensors(spec, count=batch)
        net = cv2.dnn.readNetFromONNX(str(path))
        net.setInput(np.concatenate(tensors))
        outputs = net.forward()
        assert outputs.shape == (batch, spec.point_count(spec.input_size), spec.channels)
        torch_backend = TorchBackend(wide_checkpoint)
        for tensor, output in zip(tensors, outputs, strict=True):
            wanted, found = (
                decode(one, spec, spec.input_size, Thresholds.of(spec, score=0.3))
                for one in (torch_backend.run(tensor), output)
            )
            assert len(wanted) == len(found) > 0
            assert np.allclose(wanted.xyxy, found.xyxy, atol=0.05)
            assert (wanted.class_id == found.class_id).all()

    def test_our_own_runtime_takes_one_picture(self, fixed_shapes):
        picture = generated_picture(3)
        found = [
            Detector(fixed_shapes / f"{n}.onnx", score=0.3)(picture)
            for n in ("small", "small-batch3")
        ]
        assert len(found[0]) == len(found[1]) > 3
        assert np.allclose(found[0].xyxy, found[1].xyxy, atol=0.05)
        with pytest.raises(NanodetError, match="was exported for 160x96 only"):
            Detector(fixed_shapes / "small-static.onnx", size=(192, 96))

    def test_openvino_refuses_a_batch(self, fixed_shapes):
        pytest.importorskip("openvino")
        with pytest.raises(NanodetError, match="takes 3 images at once, which needs ONNX Runtime"):
            Detector(fixed_shapes / "small-batch3.onnx", engine="openvino")

    def test_verify_looks_into_every_place_of_a_batch(
        self, fixed_shapes, wide_checkpoint, tmp_path
    ):
        """A file that computes one place of its batch wrongly."""
        path = tmp_path / "small-batch3.onnx"
        model = onnx.load(fixed_shapes / path.name)
        factor = np.ones((3, 1, 1), np.float32)
        factor[2] = 0.9
        model.graph.initializer.append(onnx.numpy_helper.from_array(factor, "factor"))
        made = next(node for node in model.graph.node if "output" in node.output)
        made.output[:] = ["before"]
        model.graph.node.append(onnx.helper.make_node("Mul", ["before", "factor"], ["output"]))
        onnx.save(model, path)
        report = verify(wide_checkpoint, [path], limit=1)
        assert "its output is off by" in format_report(report) and not report.agrees


@pytest.mark.parametrize(
    ("formats", "options", "stages"),
    [
        (("onnx", "ncnn"), {}, [SIMPLIFIED, FP32, FP16]),
        (("ncnn",), {}, [FP32, FP16]),
        (("ncnn-fp16", "onnx"), {}, [SIMPLIFIED, FP16]),
        (("ncnn-fp32", "ncnn"), {}, [FP32, FP16]),
        (("onnx",), {"static": True, "batch": 4, "nms": True},
         [SIMPLIFIED, "onnx with boxes", "onnx static", "onnx batch 4"]),
    ],
)  # fmt: skip
def test_stages_can_be_chosen(formats, options, stages):
    assert chosen_stages(formats, **options) == stages


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"formats": ("ncnn-int8",)},
            "--formats: ncnn-int8: known: onnx, ncnn, ncnn-fp32, ncnn-fp16",
        ),
        ({"formats": ("ncnn-fp16",), "static": True}, "--static: is for ONNX files"),
        ({"formats": ("ncnn",), "batch": 2}, "--batch: is for ONNX files"),
        ({"formats": ("onnx",), "batch": 1}, "--batch: must be 2 or more, not 1"),
    ],
)
def test_choices_that_cannot_be(options, words):
    with pytest.raises(NanodetError, match=words):
        chosen_stages(**options)


@pytest.mark.parametrize(
    ("size", "batch", "most"),
    [
        (None, 999_999_999, "5825 for images of 160x96"),
        ((32, 32), 87_382, "65536 for images of"),
    ],
)
def test_pictures_that_no_memory_holds_are_refused_at_once(
    small_checkpoint, tmp_path, size, batch, most
):
    with pytest.raises(NanodetError, match=f"^--batch: must be at most {most}"):
        export(small_checkpoint, tmp_path / "out", size=size, batch=batch)
    assert not (tmp_path / "out").exists()
