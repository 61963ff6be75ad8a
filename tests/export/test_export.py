"""`nanodet export`: what it writes, that it is right, and that failures leave nothing behind."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from nanodet import Detector, NanodetError
from nanodet.compare.outputs import FULL, compare_stages
from nanodet.compare.tensors import generated_picture, picture_tensors
from nanodet.export.export import default_name, export
from nanodet.export.stages import FP16, FP32, RAW, SIMPLIFIED
from nanodet.files.files import sha256
from nanodet.model.torch_backend import TorchBackend
from nanodet.runtime.spec import ONNX_METADATA_KEY, Spec


def silent(line):
    pass


def run_command(root, *arguments, script=None, env=None):
    start = [str(root / script)] if script else ["-m", "nanodet.cli.main", "export"]
    return subprocess.run(
        [sys.executable, *start, *map(str, arguments)], cwd=root, capture_output=True,
        text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(root), **(env or {})},
    )  # fmt: skip


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def folder_of(exported):
    return exported.files[SIMPLIFIED].parent


class TestFiles:
    def test_all_are_there_and_nothing_else(self, exported_small):
        names = sorted(str(p) for p in tree(folder_of(exported_small)))
        assert names == [
            "intermediate/small-config.yml", "intermediate/small-fp16-pnnx.log",
            "intermediate/small-pnnx.log",
            "intermediate/small-raw.onnx", "small-fp16.bin", "small-fp16.json",
            "small-fp16.param", "small.bin", "small.json", "small.onnx", "small.param",
        ]  # fmt: skip

    def test_half_is_half_as_large(self, exported_small):
        full, half = (
            exported_small.files[one].with_suffix(".bin").stat().st_size for one in (FP32, FP16)
        )
        assert 0.49 < half / full < 0.54

    def test_specs_vouch_for_the_files(self, exported_small, small_checkpoint):
        folder = folder_of(exported_small)
        for stem, listed in (
            ("small", {"small.onnx", "small.param", "small.bin"}),
            ("small-fp16", {"small-fp16.param", "small-fp16.bin"}),
        ):
            spec = Spec.load(folder / f"{stem}.json")
            assert set(spec.files) == listed
            assert all(sha256(folder / name) == digest for name, digest in spec.files.items())
            assert spec.class_names == ("disc", "square", "Dreieck ü")
            assert (spec.input_size, spec.fit, spec.any_size) == ((160, 96), "letterbox", True)
            assert spec.source["sha256"] == sha256(small_checkpoint)
            assert (spec.source["averaged"], spec.source["epoch"]) == (True, 3)
            assert spec.measured["compared_on"] == "8 generated images"
            assert all(f["score_max"] < 0.02 for f in spec.measured["against_torch"].values())

    def test_onnx_carries_the_spec(self, exported_small):
        model = onnx.load(exported_small.files[SIMPLIFIED])
        inside = {entry.key: entry.value for entry in model.metadata_props}[ONNX_METADATA_KEY]
        beside = json.loads(exported_small.files[SIMPLIFIED].with_suffix(".json").read_text())
        inside = json.loads(inside)
        assert inside.pop("files") == {}
        assert beside.pop("files")
        assert inside.pop("measured")["compared_on"] == beside.pop("measured")["compared_on"]
        assert inside == beside

    def test_onnx_form(self, exported_small):
        model = onnx.load(exported_small.files[SIMPLIFIED])
        assert next(o.version for o in model.opset_import if not o.domain) >= 18
        assert not any("gfl_reg" in w.name for w in model.graph.initializer)
        assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
        raw = onnx.load(exported_small.files[RAW])
        assert len(model.graph.node) <= len(raw.graph.node)
        session = onnxruntime.InferenceSession(exported_small.files[SIMPLIFIED])
        assert [(v.name, v.shape) for v in session.get_inputs()] == [
            ("data", [1, 3, "height", "width"])
        ]
        assert [(v.name, v.shape) for v in session.get_outputs()] == [("output", [1, "points", 35])]

    def test_ncnn_graph_has_no_size_in_it(self, exported_small):
        lines = exported_small.files[FP32].read_text().splitlines()
        assert [line.split()[4:] for line in lines if line.startswith("Reshape")] == [
            [line.split()[4], line.split()[5], "0=-1", "1=35"]
            for line in lines if line.startswith("Reshape")
        ]  # fmt: skip
        assert sum(line.startswith("ShuffleChannel") for line in lines) == 16
        assert lines[2].split()[-1] == "data"


class TestNumbers:
    def test_results_say_agreement(self, exported_small):
        assert [r.name for r in exported_small.results] == [RAW, SIMPLIFIED, FP32, FP16]
        assert all(r.agrees for r in exported_small.results)
        assert all(r.score_max < 1e-4 for r in exported_small.results[:3])
        # 16 bits are visible, so that stage was not the 32-bit one by mistake
        assert exported_small.results[3].score_max > 1e-5

    @pytest.mark.parametrize("size", [(160, 96), (32, 32), (64, 64), (96, 256), (224, 160)])
    def test_every_size(self, exported_small, small_checkpoint, size):
        reference = TorchBackend(small_checkpoint)
        # ncnn's interpolation reads beside a map of one row or column
        left_out = [FP16, FP32] if size == (32, 32) else [FP16]
        stages = {
            one: Detector(path).backend
            for one, path in exported_small.files.items() if one not in left_out
        }  # fmt: skip
        tensors = picture_tensors(exported_small.spec.at_size(size), count=2)
        assert tensors[0].shape == (1, 3, size[1], size[0])
        assert all(r.agrees for r in compare_stages(reference, stages, tensors))

    def test_the_averaged_weights_are_exported(self, exported_small, small_checkpoint):
        tensor = picture_tensors(exported_small.spec, count=1)[0]
        plain = torch.load(small_checkpoint, weights_only=True)
        plain["state_dict"] = {k: v for k, v in plain["state_dict"].items() if "avg" not in k}
        other = small_checkpoint.with_name("plain.ckpt")
        torch.save(plain, other)
        output = Detector(exported_small.files[FP32]).backend.run(tensor)
        assert np.allclose(output, TorchBackend(small_checkpoint).run(tensor), atol=1e-3)
        assert np.abs(output - TorchBackend(other).run(tensor)).max() > 0.1

    def test_detections_are_the_same(self, exported_small, small_checkpoint):
        picture = generated_picture(3)
        found = [
            Detector(path, fit="letterbox", score=0.3)(picture)
            for path in (
                small_checkpoint,
                exported_small.files[SIMPLIFIED],
                exported_small.files[FP32],
            )
        ]
        assert len(found[0]) > 3
        for other in found[1:]:
            assert len(other) == len(found[0])
            assert np.allclose(other.xyxy, found[0].xyxy, atol=0.05)
            assert (other.class_id == found[0].class_id).all()

    def test_a_run_does_not_change_earlier_outputs(self, exported_small):
        backend = Detector(exported_small.files[FP32]).backend
        first, second = picture_tensors(exported_small.spec, count=2)
        kept = backend.run(first)
        copy = kept.copy()
        backend.run(second)
        assert (kept == copy).all()
        assert np.array_equal(backend.run(first.astype(np.float64)), copy)


class TestDamage:
    @pytest.fixture
    def copy(self, exported_small, tmp_path):
        shutil.copytree(folder_of(exported_small), tmp_path / "copy")
        return tmp_path / "copy"

    def test_truncated_weights(self, copy):
        weights = copy / "small.bin"
        weights.write_bytes(weights.read_bytes()[:1000])
        with pytest.raises(NanodetError, match="SHA-256 differs"):
            Detector(copy / "small.param")

    def test_files_of_another_model(self, copy):
        shutil.copy(copy / "small-fp16.bin", copy / "small.bin")
        with pytest.raises(NanodetError, match=r"small\.bin.*SHA-256 differs"):
            Detector(copy / "small.param")

    def test_not_a_param_file(self, copy):
        (copy / "small.param").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(NanodetError, match="not an ncnn param file"):
            Detector(copy / "small.param")

    def test_truncated_onnx(self, copy):
        (copy / "small.onnx").write_bytes((copy / "small.onnx").read_bytes()[:5000])
        with pytest.raises(NanodetError, match="not a usable ONNX model"):
            Detector(copy / "small.onnx")


class TestRefusals:
    """Bad input: one line, and the output folder as it was."""

    @pytest.fixture
    def out(self, tmp_path):
        folder = tmp_path / "out"
        folder.mkdir()
        (folder / "small.onnx").write_text("an earlier export")
        yield folder
        assert tree(folder) == {p: b"an earlier export" for p in tree(folder)}
        assert [p.name for p in folder.iterdir()] == ["small.onnx"]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"size": (100, 96)}, "--size: 100x96: width and height must be multiples of 32"),
            ({"formats": ("tflite",)}, "--formats: tflite: known: onnx, ncnn"),
            ({"formats": ()}, "--formats: nothing"),
            ({"fit": "own"}, "--fit"),
            ({"name": "../up"}, "--name"),
            ({"images": "/no/such/folder"}, "--images: there is no such folder"),
            ({"config": "/no/such.yml"}, "cannot read this config"),
        ],
    )
    def test_arguments(self, small_checkpoint, out, options, words):
        with pytest.raises(NanodetError, match=words):
            export(small_checkpoint, out, report=silent, **options)

    def test_folder_without_pictures(self, small_checkpoint, out, tmp_path):
        (tmp_path / "readme.txt").write_text("none here")
        with pytest.raises(NanodetError, match="holds no image"):
            export(small_checkpoint, out, images=tmp_path, report=silent)

    @pytest.mark.slow
    def test_weights_that_are_not_numbers_fail_a_stage(self, small_checkpoint, out, tmp_path):
        raw = torch.load(small_checkpoint, weights_only=True)
        raw["state_dict"]["avg_model.head.gfl_cls.1.bias"][0] = float("nan")
        broken = tmp_path / "small.ckpt"
        torch.save(raw, broken)
        with pytest.raises(NanodetError, match=r"export: check the ONNX: .*not finite"):
            export(broken, out, formats=("onnx",), report=silent)

    def test_out_is_a_file(self, small_checkpoint, tmp_path):
        (tmp_path / "taken").write_text("x")
        with pytest.raises(NanodetError, match="cannot make this folder"):
            export(small_checkpoint, tmp_path / "taken", report=silent)

    def test_command_prints_one_line(self, root, small_checkpoint, out):
        done = run_command(root, small_checkpoint, "--size", "100x96", "--out", out)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "multiples of 32" in done.stderr


class TestCommands:
    @pytest.mark.slow
    def test_ncnn_script(self, root, small_checkpoint, tmp_path):
        config = tmp_path / "c.yml"
        from nanodet.config import save_config

        save_config(TorchBackend(small_checkpoint).config, config)
        done = run_command(
            root, "--cfg_path", config, "--model_path", small_checkpoint, "--out_path",
            tmp_path / "o" / "my net.param", "--input_shape", "64,128", script="tools/export_ncnn.py",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""  # nothing of torch's, onnxsim's or pnnx's chatter
        assert sorted(p.name for p in (tmp_path / "o").iterdir() if p.is_file()) == [
            "my net-fp16.bin", "my net-fp16.json", "my net-fp16.param", "my net.bin", "my net.json",
            "my net.param",
        ]  # fmt: skip
        assert Detector(tmp_path / "o" / "my net.param").size == (128, 64)
        assert "ncnn fp32" in done.stdout


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/nanodet-m_320.ckpt", "nanodet-m_320"),
        ("runs/first/model_best/model_best.ckpt", "first"),
        ("runs/first/model_best/nanodet_model_best.pth", "first"),
        ("runs/first/model_last.ckpt", "first"),
        ("a/my model.pth", "my_model"),
    ],
)
def test_default_name(path, name):
    assert default_name(path) == name


def test_nanodet_m(exported_real):
    exported = exported_real
    assert {p.name for p in exported.files.values()} == {
        "nanodet-m_320-raw.onnx", "nanodet-m_320.onnx", "nanodet-m_320.param",
        "nanodet-m_320-fp16.param", "nanodet-m_320-nms.onnx",
    }  # fmt: skip
    for result in exported.results[:3]:
        assert result.tolerance == FULL
        assert result.score_max < 1e-4
        assert result.edge_max < 0.01
    assert exported.results[3].agrees
    assert exported.spec.any_size
    assert exported.spec.input_size == (320, 320)
