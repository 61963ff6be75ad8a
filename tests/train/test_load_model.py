"""``schedule.load_model``: what a training starts from, given by path or by a published name."""

import copy
import shutil
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest
import torch
from lying_server import lying_server

from nanodet.cli.main import main
from nanodet.config import config_from_dict, config_to_dict, load_config
from nanodet.data.read import read_annotations
from nanodet.export.stages import FP32
from nanodet.export.trainable import checkpoint_of, published_checkpoint, trainable
from nanodet.hub.catalogue import CATALOGUE
from nanodet.model.fine_tune import take_matching
from nanodet.model.network import build_network
from nanodet.model.torch_backend import TorchBackend
from nanodet.train.initial_weights import initial_weights
from nanodet.train.outputs import LAST
from nanodet.train.trainer import train

NAME = "nanodet-m_320"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def cache(published, tmp_path, monkeypatch):
    """An empty cache folder, and a server that fills it."""
    monkeypatch.setenv("NANODET_HOME", str(tmp_path / "home"))
    with lying_server(published) as server:
        monkeypatch.setenv("NANODET_MIRROR", server.url)
        yield tmp_path / "home"


def draw_voc(folder, count, classes, size=(160, 120)):
    """Draw a Pascal VOC set of bright rectangles, all of it to train and to validate on."""
    rng = np.random.default_rng(0)
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        picture = np.full((size[1], size[0], 3), 40, np.uint8)
        root = ElementTree.Element("annotation")
        ElementTree.SubElement(root, "filename").text = f"{number}.jpg"
        sides = ElementTree.SubElement(root, "size")
        for key, value in zip(("width", "height", "depth"), (*size, 3), strict=True):
            ElementTree.SubElement(sides, key).text = str(value)
        left, top = (int(v) for v in rng.integers(5, 60, 2))
        box = left, top, left + 50, top + 40
        label = number % len(classes)
        colour = tuple(int(v) for v in np.eye(3)[label % 3] * 255)
        cv2.rectangle(picture, box[:2], box[2:], colour, -1)
        one = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(one, "name").text = classes[label]
        corners = ElementTree.SubElement(one, "bndbox")
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            ElementTree.SubElement(corners, key).text = str(value)
        cv2.imwrite(str(folder / "JPEGImages" / f"{number}.jpg"), picture)
        ElementTree.ElementTree(root).write(folder / "Annotations" / f"{number}.xml")
    for part in ("trainval", "test"):
        names = "".join(f"{number}\n" for number in range(count))
        (folder / "ImageSets" / "Main" / f"{part}.txt").write_text(names)


@pytest.mark.slow
def test_the_example_of_the_readme(root, cache, tmp_path, monkeypatch, capsys):
    """As printed, on a smaller set and for one epoch; the second time without a network."""
    (line,) = {
        line for line in (root / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("nanodet train config/nanodet-m_bccd.yml schedule.load_model")
    }  # fmt: skip
    words = line.split()[1:]
    draw_voc(tmp_path / "data" / "bccd", 6, ("RBC", "WBC", "Platelets"))
    (tmp_path / "config").symlink_to(root / "config")
    monkeypatch.chdir(tmp_path)
    small = [
        "schedule.total_epochs=1", "schedule.warmup.steps=1", "data.train.input_size=[96, 64]",
        "data.val.input_size=[96, 64]", "device.batchsize_per_gpu=6",
    ]  # fmt: skip
    assert main([*words, *small]) == 0
    first = capsys.readouterr().out
    checkpoint = cache / NAME / f"{NAME}.ckpt"
    assert f"{NAME}: the published NanoDet-m" in first and str(checkpoint) in first
    assert "415 of 421 tensors taken whole" in first
    assert "batch norm: measured on 6 training images" in first
    made = checkpoint.stat().st_mtime_ns
    monkeypatch.setenv("NANODET_MIRROR", NOWHERE)
    assert main([*words, *small]) == 0
    assert checkpoint.stat().st_mtime_ns == made
    figures = [line for line in first.splitlines() if line.startswith("epoch 1/1  loss")]
    again = capsys.readouterr().out
    assert figures and figures[0].split("  ")[:3] == next(
        line.split("  ")[:3] for line in again.splitlines() if line.startswith("epoch 1/1  loss")
    )


def test_a_checkpoint_that_is_not_the_published_one_is_made_anew(cache, small_checkpoint):
    good = published_checkpoint(NAME)
    weights = good.read_bytes()
    middle = len(weights) // 2
    flipped = weights[:middle] + bytes([weights[middle] ^ 127]) + weights[middle + 1 :]
    wanted = torch.load(good, weights_only=True)["state_dict"]
    for damage in (weights[:1000], flipped, small_checkpoint.read_bytes()):
        good.write_bytes(damage)
        published_checkpoint(NAME)
        found = torch.load(good, weights_only=True)["state_dict"]
        assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_an_export_takes_published_names(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert checkpoint_of(NAME) == cache / NAME / f"{NAME}.ckpt"
    assert checkpoint_of("mine.ckpt") == "mine.ckpt"
    (tmp_path / NAME).touch()
    assert checkpoint_of(NAME) == NAME  # a file of the name comes first


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_architecture_is_that_of_the_config(root, name):
    """What the catalogue says of NanoDet-m is what ``config/nanodet-m.yml`` trains."""
    config = load_config(root / "config" / f"{name.replace('nanodet-m_320', 'nanodet-m')}.yml")
    mapping = config_to_dict(config)
    mapping["model"]["arch"] = CATALOGUE[name].arch
    assert config_from_dict(mapping) == config


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("nanodet-m_320.ckpt", ("no such checkpoint", f"did you mean the published {NAME}?")),
        ("mine.ckpt", ("no such checkpoint", f"by name: {NAME}")),
        ("box.onnx", ("not a usable ONNX model",)),
        ("folder", ("is a folder",)),
        ("cut.param", ("cut.param",)),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    model, words, small_config, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NANODET_MIRROR", NOWHERE)
    (tmp_path / "folder").mkdir()
    for name in ("box.onnx", "cut.param"):
        (tmp_path / name).write_bytes(b"x")
    config = small_config(**{"schedule.load_model": model})
    assert main(["train", str(config)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"nanodet: error: {config}: schedule.load_model: {model}: ")
    assert all(word in line for word in words), line
    assert not (tmp_path / "run" / "model_last.ckpt").exists()


def test_an_empty_name_is_one_line(small_config, capsys):
    config = small_config(**{"schedule.load_model": ""})
    assert main(["train", str(config)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"nanodet: error: {config}: schedule.load_model: names no model")


def test_an_exported_model(exported_small, small_checkpoint, small_config, shapes, tmp_path):
    """Its names come from its spec, and measuring its batch norms leaves what it computes."""
    param = exported_small.files[FP32]
    config = load_config(small_config(**{"schedule.load_model": str(param)}))
    lines = []
    checkpoint = trainable(param, config, "small.yml", lines.append)
    assert checkpoint.config.class_names == ["disc", "square", "Dreieck ü"]
    assert (lines, checkpoint.path) == ([f"{param}: imported, 3 classes"], str(param))
    config.class_names, config.model.arch.head.num_classes = None, 3
    network = build_network(config.model.arch)
    initial_weights(network, config, "small.yml", read_annotations("coco", *shapes[0]), print)
    assert all(module.training for module in network.modules())
    tensor = torch.randn(2, 3, 96, 96)
    before = TorchBackend(small_checkpoint).network
    with torch.no_grad():
        assert (network.eval()(tensor) - before(tensor)).abs().max() < 1e-3
    assert any(
        not torch.equal(module.running_var, torch.ones_like(module.running_var))
        for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)
    )  # fmt: skip


@pytest.mark.parametrize("frozen", [False, True])
def test_batch_norm_of_an_exported_model_is_trained_unless_it_is_frozen(
    exported_small, small_config, tmp_path, frozen
):
    start = {"schedule.load_model": str(exported_small.files[FP32]), "schedule.freeze_norm": frozen}
    config = small_config(**start)
    train(load_config(config, ["schedule.total_epochs=1"]), say=lambda line: None)
    checkpoint = torch.load(tmp_path / "run" / LAST, map_location="cpu", weights_only=True)
    steps = {
        int(value) for name, value in checkpoint["state_dict"].items()
        if name.startswith("model.") and name.endswith("num_batches_tracked")
    }  # fmt: skip
    assert steps == {0 if frozen else checkpoint["global_step"]}


@pytest.mark.parametrize(
    "settings",
    [
        ["quality={name: IoUBranch}"],
        ["box_code={name: Dirac}", "loss.loss_dfl={name: EdgeL2Loss}"],
    ],
)
def test_heads_of_another_box_code_or_quality_take_the_rest_of_a_file(root, shared, settings):
    """As of a checkpoint: what the file does not have stays fresh."""
    overrides = [f"model.arch.head.{setting}" for setting in settings]
    config = load_config(root / "config" / "nanodet-m.yml", overrides)
    wanted = copy.deepcopy(config)
    checkpoint = trainable(shared / "weights" / f"{NAME}.param", config, "m.yml", str)
    assert config == wanted
    network = build_network(config.model.arch)
    lines = take_matching(network, checkpoint, config.class_names)
    fresh = next(line for line in lines if line.startswith("left fresh: "))
    assert "backbone" not in fresh and "head.cls_convs" not in fresh
    assert ("head.gfl_quality.0.weight" in fresh) == ("quality" in settings[0])


def test_a_loss_that_cannot_train_the_box_code_is_one_line(small_config, capsys):
    config = small_config(**{"model.arch.head.box_code": {"name": "Dirac"}})
    assert main(["train", str(config)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"nanodet: error: {config}: model.arch.head.loss.loss_dfl: Distribution")


def test_files_of_nanodet_plus_are_named_so(shared, small_config, capsys):
    param = shared / "weights" / "nanodet-plus-m_320.param"
    assert main(["train", str(small_config(**{"schedule.load_model": str(param)}))]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "is a NanoDet-Plus with strides 8 to 64, 80 classes and reg_max 7" in line


def test_an_exported_model_of_another_architecture_names_the_key(
    exported_small, small_config, tmp_path, capsys
):
    param = shutil.copy(exported_small.files[FP32], tmp_path / "m.param")
    shutil.copy(exported_small.files[FP32].with_suffix(".bin"), tmp_path / "m.bin")
    changes = {
        "schedule.load_model": str(param), "model.arch.backbone.model_size": "1.0x",
        "model.arch.fpn.in_channels": [116, 232, 464],
    }  # fmt: skip
    assert main(["train", str(small_config(**changes))]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "schedule.load_model" in line and "model.arch.backbone.model_size" in line
