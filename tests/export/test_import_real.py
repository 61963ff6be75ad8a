"""`nanodet import` on real weights and data: minutes."""

import csv
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from nanodet.cli.main import main
from nanodet.config import config_to_dict, load_config, save_config
from nanodet.export.export import export
from nanodet.export.import_check import TOLERANCE
from nanodet.export.import_model import import_model
from nanodet.export.stages import FP32
from nanodet.model.network import build_network

pytestmark = pytest.mark.slow


def run(*words):
    assert main([str(word) for word in words]) == 0


@pytest.fixture(scope="module")
def param(shared):
    return shared / "weights" / "nanodet-m_320.param"


def test_ap_is_that_of_the_ncnn_file(param, root, coco_mini, tmp_path):
    out, config = tmp_path / "imported.ckpt", root / "config" / "nanodet-m.yml"
    run("import", param, "--config", config, "--images", coco_mini / "images", "--out", out)
    run(
        "eval", out, "--images", coco_mini / "images", "--annotations",
        coco_mini / "annotations.json", "--fit", "letterbox", "--json", tmp_path / "ap.json",
    )  # fmt: skip
    assert json.loads((tmp_path / "ap.json").read_text())["AP"] == pytest.approx(18.6, abs=0.1)


def test_an_epoch_on_other_data(param, shared, root, tmp_path):
    """Training goes on where eval mode is: no jump, and far ahead of random weights.

    What an import did not measure, the training measures on its own images first.
    """
    data, config = shared / "data" / "bccd", root / "config" / "nanodet-m.yml"
    training = tmp_path / "training"
    training.mkdir()
    for stem in (data / "ImageSets" / "Main" / "trainval.txt").read_text().split():
        (training / f"{stem}.jpg").symlink_to(data / "JPEGImages" / f"{stem}.jpg")
    for name, images in (("measured", ["--images", training]), ("plain", [])):
        run("import", param, "--config", config, *images, "--out", tmp_path / f"{name}.ckpt")
    places = [
        f"data.{part}.{key}={data / folder}"
        for part, names in (("train", "trainval"), ("val", "test"))
        for key, folder in (
            ("img_path", "JPEGImages"),
            ("ann_path", "Annotations"),
            ("list_path", f"ImageSets/Main/{names}.txt"),
        )
    ]

    def train(name, *overrides):
        folder = tmp_path / name
        run(
            "train", root / "config" / "nanodet-m_bccd.yml", *places, f"save_dir={folder}",
            "schedule.total_epochs=1", "schedule.warmup.steps=5", "log.interval=1", *overrides,
        )  # fmt: skip
        rows = list(csv.DictReader((folder / "metrics.csv").open()))
        known = float(rows[0]["train/loss_bbox"]) + float(rows[0]["train/loss_dfl"])
        return known, float(rows[-1]["val/AP"])

    measured, ap = train("a", f"schedule.load_model={tmp_path / 'measured.ckpt'}")
    frozen, _ = train(
        "b", f"schedule.load_model={tmp_path / 'plain.ckpt'}", "schedule.freeze_norm=true"
    )
    plain, _ = train("c", f"schedule.load_model={tmp_path / 'plain.ckpt'}")
    fresh, fresh_ap = train("d", "model.arch.backbone.pretrain=false")
    # frozen batch norms stay in eval mode, so `frozen` is the loss of what was imported; the new
    # classes have no weights yet, so only edges are known
    assert measured < 1.1 * frozen
    assert plain < 1.1 * frozen
    assert fresh > 1.5 * frozen
    assert ap > fresh_ap + 20


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.arch.backbone.activation=SiLU", "model.arch.head.activation=HardSwish"],
        ["model.arch.backbone.activation=ReLU6", "model.arch.head.activation=ReLU"],
        ["model.arch.head.share_cls_reg=false"],
        [
            "model.arch.backbone.out_stages=[2, 3]", "model.arch.fpn.in_channels=[48, 96]",
            "model.arch.fpn.num_outs=2", "model.arch.head.strides=[8, 16]",
        ],
        ["model.arch.backbone.with_last_conv=true", "model.arch.fpn.in_channels=[48, 96, 1024]"],
    ],
    ids=["silu", "relu", "unshared", "two levels", "last conv"],
)  # fmt: skip
def test_other_architectures(root, tmp_path, overrides):
    small = [
        "model.arch.backbone.model_size=0.5x", "model.arch.backbone.pretrain=false",
        "model.arch.fpn.in_channels=[48, 96, 192]", "model.arch.head.num_classes=3",
        "class_names=[a, b, c]", "data.val.input_size=[160, 96]",
    ]  # fmt: skip
    config = load_config(root / "config" / "nanodet-m.yml", [*small, *overrides])
    save_config(config, tmp_path / "small.yml")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(config.model.arch)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.2)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
        for conv in (*network.head.gfl_cls, *network.head.gfl_reg):
            nn.init.normal_(conv.weight, std=0.3)
    state = {f"model.{name}": value for name, value in network.state_dict().items()}
    carried = {"nanodet": {"config": config_to_dict(config), "epochs": 1}}
    torch.save({"state_dict": state, **carried}, tmp_path / "small.ckpt")
    exported = export(
        tmp_path / "small.ckpt", tmp_path / "out", formats=("ncnn",), report=lambda line: None
    )
    done = import_model(
        exported.files[FP32], tmp_path / "small.yml", tmp_path / "again.ckpt",
        report=lambda line: None,
    )  # fmt: skip
    assert done.difference < TOLERANCE
    assert Path(done.path).is_file()
