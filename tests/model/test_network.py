"""The network against the original's checkpoint and outputs, and its configurations."""

import json

import cv2
import numpy as np
import pytest
import torch
from small_arch import arch

from nanodet import Detector
from nanodet.config import load_config
from nanodet.errors import NanodetError
from nanodet.model.checkpoint import load_network, read_checkpoint
from nanodet.model.network import build_network

CONFIG = "config/nanodet-m.yml"


@pytest.fixture(scope="module")
def trained(shared, root):
    network, _, _ = load_network(shared / "weights" / "nanodet-m_320.ckpt", root / CONFIG)
    return network


def test_the_originals_checkpoint_loads_strictly_and_gives_its_logits(shared, trained):
    reference = np.load(shared / "reference" / "nanodet-m_320.npz")
    inputs = [name for name in reference.files if name.endswith("_input")]
    assert len(inputs) == 4
    for name in inputs:
        with torch.no_grad():
            found = trained(torch.from_numpy(reference[name])[None])[0].numpy()
        expected = reference[name.replace("_input", "_output")]
        assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("fpn.activation=LeakyReLU", [-4.646916, -4.750969, 0.629966]),
        ("head.norm_cfg={type: BN, eps: 0.1}", [-4.741532, -5.217271, 0.521645]),
        ("head.activation=ReLU", [-2.645152, -3.884078, 0.773557]),
        ("fpn.norm_cfg={type: BN, eps: 0.01}", [-4.138990, -3.670275, 1.055726]),
    ],
)
def test_settings_change_the_output_as_in_the_original(shared, root, override, expected):
    """Measured with the original's code and these weights; what a setting adds is fresh."""
    config = load_config(root / CONFIG, [f"model.arch.{override}"])
    network = build_network(config.model.arch).eval()
    weights = read_checkpoint(shared / "weights" / "nanodet-m_320.ckpt").weights
    own = network.state_dict()
    network.load_state_dict({k: v for k, v in weights.items() if k in own}, strict=False)
    picture = np.load(shared / "reference" / "nanodet-m_320.npz")["139_input"]
    with torch.no_grad():
        found = network(torch.from_numpy(picture)[None])[0, 700, [0, 40, 90]]
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


def test_no_name_of_the_originals_checkpoint_is_missing_or_new(shared, trained):
    state = torch.load(
        shared / "weights" / "nanodet-m_320.ckpt", map_location="cpu", weights_only=True
    )["state_dict"]
    assert {f"model.{name}" for name in trained.state_dict()} == set(state)


def test_detections_equal_the_originals(shared, root, coco_mini):
    detector = Detector(
        shared / "weights" / "nanodet-m_320.ckpt", config=root / CONFIG, fit="own", score=0.05
    )
    records = json.loads((shared / "reference" / "nanodet-m_320_detections20.json").read_text())
    categories = json.loads((coco_mini / "annotations.json").read_text())["categories"]
    ids = sorted(category["id"] for category in categories)
    hits = total = 0
    for image_id in sorted({record["image_id"] for record in records}):
        found = detector(cv2.imread(str(coco_mini / "images" / f"{image_id:012d}.jpg")))
        for record in records:
            if record["image_id"] != image_id or record["score"] <= 0.1:
                continue
            x, y, w, h = record["bbox"]
            total += 1
            hits += np.any(
                (found.class_id == ids.index(record["category_id"]))
                & (np.abs(found.xyxy - [x, y, x + w, y + h]).max(axis=1) <= 0.5)
                & (np.abs(found.confidence - record["score"]) <= 0.002)
            )
    assert total > 1000
    assert hits / total >= 0.98


def test_nanodet_m_has_the_papers_size(trained):
    used = sum(p.numel() for p in trained.parameters() if p.requires_grad)
    assert 0.945e6 < used < 0.955e6


@pytest.mark.parametrize(
    ("size", "channels"),
    [
        ("0.5x", (48, 96, 192)),
        ("1.0x", (116, 232, 464)),
        ("1.5x", (176, 352, 704)),
        ("2.0x", (244, 488, 976)),
    ],
)
def test_every_size_of_the_backbone_runs_on_non_square_input(size, channels):
    network = build_network(arch(size, channels)).eval()
    with torch.no_grad():
        output = network(torch.zeros(2, 3, 96, 160))
    points = sum((96 // s) * (160 // s) for s in (8, 16, 32))
    assert output.shape == (2, points, 3 + 32)


def test_towers_may_be_separate():
    network = build_network(arch(share_cls_reg=False))
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 64 + 16 + 4, 35)
    assert all(p.requires_grad for p in network.parameters())


def test_a_fresh_network_scores_every_class_one_percent():
    scores = build_network(arch()).eval()(torch.zeros(1, 3, 64, 64))[..., :3].sigmoid()
    assert scores.mean().item() == pytest.approx(0.01, abs=0.003)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda a: setattr(a.backbone, "model_size", "3x"), "model.arch.backbone.model_size"),
        (lambda a: setattr(a.backbone, "activation", "Mish"), "model.arch.backbone.activation"),
        (lambda a: setattr(a.fpn, "in_channels", [1, 2, 3]), "model.arch.fpn.in_channels"),
        (lambda a: setattr(a.head, "strides", [8, 16]), "model.arch.head.strides"),
        (lambda a: setattr(a.head, "input_channel", 64), "model.arch.head.input_channel"),
    ],
)
def test_a_part_we_do_not_have_is_one_line(change, expected):
    section = arch()
    change(section)
    with pytest.raises(NanodetError) as caught:
        build_network(section, "my.yml")
    assert str(caught.value).startswith("my.yml: ")
    assert expected in str(caught.value)
