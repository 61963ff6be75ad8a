"""`nanodet import`: ncnn files back into a checkpoint that computes the same and trains."""

import copy
import dataclasses
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from foreign_files import write_ncnn, write_onnx, write_onnx_maps
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import NANODET_M
from torch import nn

from nanodet import Detector, NanodetError
from nanodet.compare.tensors import generated_picture, picture_tensors
from nanodet.config import config_from_dict, config_to_dict, load_config
from nanodet.export import batch_norm
from nanodet.export.import_check import TOLERANCE
from nanodet.export.import_model import import_model
from nanodet.export.stages import FP16, FP32
from nanodet.model.checkpoint import read_checkpoint
from nanodet.model.fine_tune import take_matching
from nanodet.model.network import build_network
from nanodet.model.torch_backend import TorchBackend
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.weights import Stored, load_weights, weights_to_bytes
from nanodet.runtime.spec import Spec

NAMES = ("disc", "square", "Dreieck ü")


def silent(line):
    pass


def batch(folder, size=(160, 96)):
    spec = Spec(("a", "b", "c"), size, **NANODET_M)
    return torch.from_numpy(np.concatenate(picture_tensors(spec, folder, 24)))


class TestFunction:
    def test_fp32(self, imported, small_checkpoint):
        assert 0 < imported.difference < TOLERANCE
        assert imported.pictures == 24
        ours, before = TorchBackend(imported.path), TorchBackend(small_checkpoint)
        for tensor in (
            *picture_tensors(before.spec, count=2),
            np.random.default_rng(1).standard_normal((1, 3, 64, 224), np.float32),
        ):
            assert np.abs(ours.run(tensor) - before.run(tensor)).max() < 1e-4

    def test_fp16(self, exported_small, config, small_checkpoint, tmp_path):
        done = import_model(exported_small.files[FP16], config, tmp_path / "a.pth", report=silent)
        assert done.difference < TOLERANCE
        assert done.pictures == 0
        ours, before = TorchBackend(done.path), TorchBackend(small_checkpoint)
        tensor = picture_tensors(before.spec, count=1)[0]
        difference = np.abs(ours.run(tensor) - before.run(tensor))
        assert 1e-4 < difference.max() < 0.05

    def test_scores_per_class_are_left_out_and_told(self, exported_small, config, tmp_path):
        for file in (path := exported_small.files[FP32]), path.with_suffix(".bin"):
            shutil.copy(file, tmp_path)
        spec = Spec.load(path.with_suffix(".json"))
        scored = dataclasses.replace(spec, class_scores=(0.3, 0.4, 0.5))
        scored.save(tmp_path / path.with_suffix(".json").name)
        lines = []
        import_model(tmp_path / path.name, config, tmp_path / "a.pth", report=lines.append)
        assert sum("its scores per class are left out" in line for line in lines) == 1

    def test_detections(self, imported, small_checkpoint):
        found, wanted = (
            Detector(path, score=0.3)(generated_picture(3))
            for path in (imported.path, small_checkpoint)
        )
        assert len(found) == len(wanted) > 3
        assert np.allclose(found.xyxy, wanted.xyxy, atol=0.01)

    def test_carries_what_a_checkpoint_needs(self, imported):
        checkpoint = read_checkpoint(imported.path)
        assert checkpoint.config.class_names == ["disc", "square", "Dreieck ü"]
        assert (checkpoint.averaged, checkpoint.epoch) == (False, None)
        assert set(checkpoint.raw["nanodet"]["imported"]) == {"small.param", "small.bin"}
        network = build_network(checkpoint.config.model.arch)
        lines = take_matching(network, checkpoint)
        assert len(lines) == 1  # everything was taken whole
        assert set(network.state_dict()) == set(checkpoint.weights)

    def test_the_same_again(self, imported, exported_small, config, pictures, tmp_path):
        again = import_model(
            exported_small.files[FP32], config, tmp_path / "b.ckpt", pictures, report=silent
        )
        first, second = (read_checkpoint(one.path).weights for one in (imported, again))
        assert all(torch.equal(first[name], second[name]) for name in first)


class TestBatchNorm:
    def test_training_mode_finds_the_same_function(
        self, imported, exported_small, config, pictures, tmp_path
    ):
        """On the images measured, all in one batch, training mode is eval mode."""
        plain = import_model(
            exported_small.files[FP32], config, tmp_path / "plain.ckpt", report=silent
        )
        tensors = batch(pictures)
        errors = []
        for one in (imported, plain):
            network = TorchBackend(one.path).network
            with torch.no_grad():
                in_eval = network(tensors)
                in_training = network.train()(tensors)
            errors.append(float((in_training - in_eval).abs().max()))
        assert errors[0] < 2e-3
        assert errors[1] > 1

    def test_statistics_are_those_of_the_maps(self, imported, pictures):
        network = TorchBackend(imported.path).network
        maps = {}
        norm = network.backbone.stage3[1].branch2[1]
        norm.register_forward_pre_hook(lambda norm, inputs: maps.update(x=inputs[0]))
        with torch.no_grad():
            network(batch(pictures))
        x = maps["x"].double()
        assert torch.allclose(norm.running_mean.double(), x.mean((0, 2, 3)), atol=1e-4)
        assert torch.allclose(norm.running_var.double(), x.var((0, 2, 3)), rtol=1e-3)

    @given(
        bias=st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3),
        scale=st.sampled_from([0.0, 1e-6, 1e-3, 1.0, 1e3]),
        shift=st.floats(-100, 100, width=32),
    )
    @settings(max_examples=40)
    def test_adds_the_bias_alone(self, bias, scale, shift):
        bias = torch.tensor(bias)
        norm = nn.BatchNorm2d(3).eval()
        network = nn.Sequential(norm)
        x = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * scale + shift
        batch_norm.fold_in(norm, bias)
        size = float(x.abs().max() + bias.abs().max())
        wanted = x + bias.view(1, 3, 1, 1)
        with torch.no_grad():
            assert torch.allclose(network(x), wanted, atol=1e-6 * (1 + size))
            batch_norm.measure(network, ["0"], [x[:1], x[1:]])
            assert torch.allclose(network(x), wanted, atol=1e-5 * (1 + size))
            in_training = network.train()(x)
        assert torch.isfinite(in_training).all()
        # variances far below eps are the batch norm's own business
        if scale >= 1e-3:
            assert torch.allclose(in_training, wanted, atol=1e-4 * (1 + size))


class TestOldFile:
    """The file of ncnn's own examples, by onnx2ncnn."""

    def test_with_its_config(self, shared, root, tmp_path):
        done = import_model(
            shared / "weights" / "nanodet-m_320.param", root / "config" / "nanodet-m.yml",
            tmp_path / "m.ckpt", report=silent,
        )  # fmt: skip
        assert done.difference < 1e-4
        assert len(TorchBackend(done.path).spec.class_names) == 80

    def test_plus_is_another_architecture(self, shared, root, tmp_path):
        words = r"is a NanoDet-Plus .* has strides \[8, 16, 32, 64\], but model\.arch"
        with pytest.raises(NanodetError, match=words):
            import_model(
                shared / "weights" / "nanodet-plus-m_320.param",
                root / "config" / "nanodet-m.yml", tmp_path / "m.ckpt", report=silent,
            )  # fmt: skip


class TestOtherConverters:
    """Files that are not of our export, without a config: one of ours is found."""

    @pytest.mark.parametrize("style", ["six", "columns"])
    def test_ncnn(self, exported_small, small_checkpoint, tmp_path, style):
        made = write_ncnn(exported_small.files[FP32], tmp_path, style, fixed=True)
        lines = []
        done = import_model(made, None, tmp_path / "a.ckpt", report=lines.append, classes=NAMES)
        assert done.difference < TOLERANCE
        assert "a NanoDet with strides 8 to 32, 3 classes and reg_max 7; its archi" in lines[0]
        assert lines[0].endswith("nanodet-m-0.5x_320.yml")
        found = lines[0].rpartition(" ")[2]
        assert lines[1] == (
            f"taken from {found}, as the model file does not say it: fit own, mean 103.53,116.28,123.675, "
            "std 57.375,57.12,58.395; change with --config CONFIG, the one it was trained with"
        )
        ours, before = TorchBackend(done.path), TorchBackend(small_checkpoint)
        assert (ours.spec.class_names, ours.spec.input_size) == (NAMES, (160, 96))
        tensor = np.random.default_rng(1).standard_normal((1, 3, 64, 224), np.float32)
        assert np.abs(ours.run(tensor) - before.run(tensor)).max() < 1e-4

    @pytest.mark.parametrize("style", ["logits", "distances"])
    def test_onnx(self, small_checkpoint, config, tmp_path, style):
        before = TorchBackend(small_checkpoint)
        maps = write_onnx_maps(before.network, tmp_path / "maps.onnx", 13)
        made = write_onnx(maps, tmp_path, style)
        done = import_model(made, config, tmp_path / "a.ckpt", report=silent)
        assert done.difference < TOLERANCE
        tensor = np.random.default_rng(1).standard_normal((1, 3, 64, 224), np.float32)
        assert np.abs(TorchBackend(done.path).run(tensor) - before.run(tensor)).max() < 1e-4

    def test_our_own_onnx(self, exported_small, small_checkpoint, tmp_path):
        done = import_model(
            exported_small.files["onnx simplified"], None, tmp_path / "a.ckpt", report=silent
        )
        ours, before = TorchBackend(done.path), TorchBackend(small_checkpoint)
        assert ours.spec.class_names == NAMES  # of the spec inside
        tensor = np.random.default_rng(1).standard_normal((1, 3, 64, 224), np.float32)
        assert np.abs(ours.run(tensor) - before.run(tensor)).max() < 1e-4

    def test_classes_that_are_given_go_before_those_of_the_config(self, model, config, tmp_path):
        mapping = config_to_dict(load_config(config))
        mapping |= {"class_names": ["a", "b"]}
        mapping["model"]["arch"]["head"]["num_classes"] = 2
        other = config_from_dict(mapping, "other.yml")
        done = import_model(model, other, tmp_path / "a.ckpt", report=silent, classes=NAMES)
        assert done.difference < TOLERANCE
        assert TorchBackend(done.path).spec.class_names == NAMES

    @pytest.mark.slow
    def test_an_installed_package_has_the_configs(self, exported_small, root, tmp_path):
        """From a wheel, in a folder without a checkout beside it; the spec there has another fit."""
        source, site = tmp_path / "source", tmp_path / "site"
        for name in ("nanodet", "config"):
            shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__py*"))
        for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
            shutil.copy(root / name, source)
        build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
        done = subprocess.run(
            [sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=True
        )
        shutil.unpack_archive(source / done.stdout.split()[-1], site, "zip")
        shutil.rmtree(source)
        made = write_ncnn(exported_small.files[FP32], tmp_path, "six", fixed=True)
        spec = Spec.load(exported_small.files[FP32].with_suffix(".json"))
        dataclasses.replace(spec, fit="stretch").save(made.with_suffix(".json"))
        done = subprocess.run(
            [sys.executable, "-m", "nanodet", "import", made, "--out", "a.ckpt"], cwd=tmp_path,
            capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(site)},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        config = site / "nanodet" / "configs" / "nanodet-m-0.5x_320.yml"
        assert f"its architecture is that of {config}\n" in done.stdout
        assert "its spec says fit 'stretch', but the checkpoint has fit 'letterbox'" in done.stdout
        names = {path.name for path in config.parent.iterdir()}
        assert names == {path.name for path in (root / "config").glob("*.yml")}

    @pytest.mark.slow
    def test_none_of_ours(self, exported_small, tmp_path):
        graph = Graph.load(exported_small.files[FP32])
        extra = next(layer for layer in graph.layers if layer.kind == "Convolution")
        at = graph.layers.index(extra) + 1
        blob, extra = extra.outputs[0], copy.deepcopy(extra)
        extra.name, extra.inputs, extra.outputs = "more", ["more"], [blob]
        extra.values |= {3: "1", 13: "1", 6: str(24 * 24 * 9)}
        graph.layers[at - 1].outputs = ["more"]
        graph.layers.insert(at, extra)
        param = tmp_path / "more.param"
        param.write_text(graph.to_text())
        weights = load_weights(
            exported_small.files[FP32].with_suffix(".bin"),
            Graph.load(exported_small.files[FP32]),
            "x",
        )
        weights["more"] = {
            "weight": Stored("fp32", np.zeros(24 * 24 * 9, np.float32)),
            "bias": Stored("plain", np.zeros(24, np.float32)),
        }
        param.with_suffix(".bin").write_bytes(weights_to_bytes(graph, weights))
        with pytest.raises(
            NanodetError, match=r"no config of \S+ has its 74 convolutions: --config"
        ):
            import_model(param, None, tmp_path / "a.ckpt", report=silent)

    @pytest.mark.slow
    def test_plus(self, shared, tmp_path):
        """The published NanoDet-Plus: torch computes what ncnn does."""
        param = shared / "weights" / "nanodet-plus-m_320.param"
        lines = []
        done = import_model(param, None, tmp_path / "plus.ckpt", report=lines.append)
        assert "a NanoDet-Plus with strides 8 to 64, 80 classes" in lines[0]
        assert lines[0].endswith("nanodet-plus-m_320.yml") and done.difference < TOLERANCE
        assert "say it: fit stretch, mean" in lines[1] and "class names person, bicycle" in lines[1]
        assert lines[1].endswith("or --classes")
        spec = TorchBackend(done.path).spec
        assert (spec.point_offset, spec.strides) == (0, (8, 16, 32, 64))


@pytest.mark.slow
def test_command(root, exported_small, config, pictures, tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "nanodet.cli.main", "import", *map(str, arguments)],
            cwd=root, capture_output=True, text=True, timeout=300,
            env={**os.environ, "PYTHONPATH": str(root)},
        )  # fmt: skip

    param, out = exported_small.files[FP32], tmp_path / "new" / "c.ckpt"
    names = sorted(path.name for path in pictures.iterdir())[:3]
    (tmp_path / "list.txt").write_text("\n".join([*names, "none.png"]))
    arguments = [param, "--config", config, "--images", pictures, "--list", tmp_path / "list.txt",
                 "--limit", 5, "--out", out]  # fmt: skip
    done = run(*arguments)
    assert done.returncode == 1 and not out.exists()
    assert "list.txt: line 4: no image 'none.png'; --missing-images skip continues" in done.stderr
    done = run(*arguments, "--missing-images", "skip")
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"{tmp_path / 'list.txt'}: line 4: no image 'none.png': left out\n"
    assert "batch norm: measured on 3 images" in done.stdout
    assert done.stdout.splitlines()[-1] == str(out)
    done = run(param, "--config", root / "config" / "nanodet-m.yml", "--out", tmp_path / "d.ckpt")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "has num_classes 3, but model.arch.head.num_classes" in done.stderr
    assert not (tmp_path / "d.ckpt").exists()
