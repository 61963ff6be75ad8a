"""What CONTRIBUTING.md promises: a box code is one file and an entry of two tables, torch's and numpy's."""

import copy
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from nanodet.config import config_from_dict, config_to_dict
from nanodet.config.keys import key
from nanodet.errors import NanodetError
from nanodet.learn.losses import EDGE_LOSSES
from nanodet.learn.objective import build_objective
from nanodet.model.box_codes import BOX_CODES
from nanodet.model.network import build_network
from nanodet.model.part import Part
from nanodet.quickstart.config import quickstart_config
from nanodet.quickstart.shapes import draw_set
from nanodet.runtime import box_codes
from nanodet.runtime.spec import Spec
from nanodet.train.trainer import train


@dataclass
class Section:
    name: str = key("Dirac", "each edge is one number")
    scale: float = key(2.0, "strides that a value of 1 stands for", 0.1, 100)


class Dirac:
    """Each edge is one number, made positive."""

    channels, unit, target_max, form = 4, 1.0, 6.9, "numbers"

    def __init__(self, reg_max, scale):
        self.reg_max, self.scale = reg_max, scale

    def distances(self, raw):
        return softplus(raw) * self.scale


@dataclass
class LossSection:
    name: str = key("Smooth", "the loss of the edges")
    loss_weight: float = key(1.0, "its factor in the sum of the losses", 0, 100)


def distance_loss(raw, distances):
    return torch.nn.functional.smooth_l1_loss(softplus(raw) * 2, distances, reduction="none").mean(
        dim=1
    )


@pytest.fixture()
def dirac(monkeypatch):
    build = lambda section, reg_max: Dirac(reg_max, section.scale)  # noqa: E731
    monkeypatch.setitem(BOX_CODES, "Dirac", Part(Section, build))
    monkeypatch.setitem(EDGE_LOSSES, "Smooth", Part(LossSection, lambda section: distance_loss))
    decoding = box_codes.BoxCode(
        format=2,
        channels=lambda reg_max: 4,
        distances=lambda values, reg_max: np.logaddexp(0, values) * np.float32(2),
        variances=lambda values, reg_max: np.zeros_like(values),
    )
    monkeypatch.setitem(box_codes.BOX_CODES, "numbers", decoding)


@pytest.fixture()
def config(dirac, tmp_path):
    """A small NanoDet-Plus with it, and a set of six images."""
    sets = draw_set(tmp_path / "train", 4, 0), draw_set(tmp_path / "val", 2, 1)
    mapping = config_to_dict(quickstart_config(tmp_path / "run", *sets, seed=0, epochs=1))
    mapping["model"]["arch"] = {
        "name": "NanoDetPlus", "backbone": {"model_size": "0.5x", "pretrain": False},
        "fpn": {"out_channels": 32}, "aux_head": {"feat_channels": 32, "stacked_convs": 1},
        "head": {
            "feat_channels": 32, "box_code": {"name": "Dirac"},
            "loss": {"loss_dfl": {"name": "Smooth"}},
        },
    }  # fmt: skip
    for part in ("train", "val"):
        mapping["data"][part]["input_size"] = [96, 96]
    mapping["device"]["batchsize_per_gpu"] = 4
    return mapping


@pytest.mark.slow
def test_a_box_code_of_ones_own_is_trained_exported_and_verified(config, tmp_path):
    pytest.importorskip("pnnx")
    from nanodet.export.export import export
    from nanodet.verify.verify import verify

    train(config_from_dict(config, "toy.yml"), "toy.yml", lambda line: None)
    checkpoint = tmp_path / "run" / "model_best" / "model_best.ckpt"
    exported = export(checkpoint, tmp_path / "exported", report=lambda line: None)
    assert not exported.left_out
    written = Spec.load(tmp_path / "exported" / "run.json")
    assert (written.form, written.channels, written.to_dict()["format"]) == ("numbers", 8, 2)
    report = verify(checkpoint, tmp_path / "exported", limit=2)
    assert {"ncnn", "onnx"} <= {row.name.split()[0] for row in report.rows}
    assert report.agrees
    with pytest.raises(
        NanodetError, match=r"--nms: decodes distributions, .* and this model gives"
    ):
        export(checkpoint, tmp_path / "boxes", report=lambda line: None, nms=True)
    assert not (tmp_path / "boxes").exists()


def test_the_auxiliary_head_has_the_code_of_the_head(config):
    arch = config_from_dict(config, "toy.yml").model.arch
    assert arch.aux_head.box_code == arch.head.box_code == Section()
    other = copy.deepcopy(config)
    other["model"]["arch"]["aux_head"]["box_code"] = {"name": "General"}
    wrong = copy.deepcopy(config)
    wrong["model"]["arch"]["head"]["box_code"]["bins"] = 3
    for mapping, line in (
        (other, "aux_head.box_code: differs from head.box_code; remove it"),
        (wrong, "head.box_code.bins: unknown key"),
    ):
        with pytest.raises(NanodetError, match=line):
            config_from_dict(mapping, "toy.yml")


def test_a_spec_with_a_code_that_is_not_known_is_refused(dirac):
    known = Spec(("a",), strides=(8,), reg_max=7, point_offset=0.5, form="numbers").to_dict()
    assert Spec.from_dict(known, "x.json").form == "numbers"
    known["output"]["form"] = "letters"
    with pytest.raises(NanodetError, match=r"output\.form: must be one of distributions, "):
        Spec.from_dict(known, "x.json")


def test_a_box_code_that_is_decoded_or_trained_otherwise_is_refused(config):
    for changes, line in (
        ({"box_code": {"name": "Dirac", "scale": 20}}, r"head\.box_code: with these settings"),
        ({"loss": {}}, r"head\.loss\.loss_dfl: DistributionFocalLoss cannot train"),
    ):
        mapping = copy.deepcopy(config)
        mapping["model"]["arch"]["head"] |= changes
        arch = config_from_dict(mapping, "toy.yml").model.arch
        with pytest.raises(NanodetError, match=line):
            build_objective(build_network(arch), arch)
