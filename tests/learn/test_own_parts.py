"""What CONTRIBUTING.md promises: a loss or an assigner of one's own is an entry of a table."""

import csv
from dataclasses import dataclass

import pytest
import torch

from nanodet.config import config_from_dict, config_to_dict
from nanodet.config.check import failing
from nanodet.config.effects import refuse_without_effect
from nanodet.config.keys import key
from nanodet.errors import NanodetError
from nanodet.learn.assigners import ASSIGNERS
from nanodet.learn.assigners.assigner import Assigner
from nanodet.learn.losses import BOX_LOSSES
from nanodet.learn.objective import build_objective
from nanodet.learn.points import inside
from nanodet.learn.targets import NEGATIVE, Assignment
from nanodet.model.checkpoint import load_network
from nanodet.model.network import build_network
from nanodet.model.part import Part
from nanodet.quickstart.config import quickstart_config
from nanodet.quickstart.shapes import draw_set
from nanodet.train.trainer import train


@dataclass
class LastSection:
    name: str = key("Last", "the points inside a box learn it; of several, the last one")
    margin: float = key(1.0, "pixels from the edges", 0, 100, alike=("topk",))


class Last(Assigner):
    def __init__(self, margin):
        self.margin = margin

    def assign(self, points, truth, logits=None, boxes=None):
        within = inside(points.positions[:, None], truth.boxes, self.margin)
        numbers = torch.where(within, torch.arange(len(truth.boxes)), NEGATIVE)
        none = numbers.new_full((len(numbers), 1), NEGATIVE)
        return Assignment(torch.cat((none, numbers), dim=1).amax(dim=1))


@dataclass
class L1Section:
    name: str = key("L1", "the loss of the boxes")
    loss_weight: float = key(1.0, "its factor in the sum of the losses", 0, 100)

    def check(self, fail):
        if self.loss_weight == 13:
            fail("loss_weight", "brings bad luck")


def l1(predicted, target):
    return (predicted - target).abs().mean(dim=1)


@pytest.fixture()
def toys(monkeypatch):
    assigner = Part(LastSection, lambda section: Last(section.margin))
    monkeypatch.setitem(ASSIGNERS, "Last", assigner)
    monkeypatch.setitem(BOX_LOSSES, "L1", Part(L1Section, lambda section: l1))


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Drawn images to train and to validate with."""
    folder = tmp_path_factory.mktemp("sets")
    return draw_set(folder / "train", 4, 0), draw_set(folder / "val", 2, 1)


@pytest.fixture()
def configured(toys, sets, tmp_path):
    """A function of keys of the head and a name: the config of a small detector."""
    mapping = config_to_dict(quickstart_config(tmp_path / "run", *sets, seed=0, epochs=1))
    for part in ("train", "val"):
        mapping["data"][part]["input_size"] = [64, 64]
    mapping["device"]["batchsize_per_gpu"] = 4

    def config(head, name="OneStageDetector"):
        plus = name == "NanoDetPlus"
        aux = {"aux_head": {"feat_channels": 32, "stacked_convs": 1}} if plus else {}
        mapping["model"]["arch"] = {
            "name": name, "backbone": {"model_size": "0.5x", "pretrain": False},
            "fpn": {"out_channels": 32}, "head": {"feat_channels": 32, **head}, **aux,
        }  # fmt: skip
        found = config_from_dict(mapping, "toy.yml")
        refuse_without_effect(found, failing("toy.yml"))
        return found

    return config


OWN = {"assigner_cfg": {"name": "Last", "margin": 2}, "loss": {"loss_bbox": {"name": "L1"}}}


@pytest.mark.parametrize("name", ["OneStageDetector", "NanoDetPlus"])
def test_they_are_chosen_by_their_names(configured, name):
    arch = configured(OWN, name).model.arch
    found = build_objective(build_network(arch), arch)
    assert isinstance(found.assigner, Last) and found.assigner.margin == 2
    assert found.boxes == (l1, 1.0)
    assert found.point_offset == (0 if name == "NanoDetPlus" else 0.5)


def test_a_detector_learns_with_them(configured, tmp_path, monkeypatch):
    """And what it learned is used where they are not known."""
    train(configured(OWN, "NanoDetPlus"), "toy.yml", lambda line: None)
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        row = next(csv.DictReader(file))
    losses = {name: float(row[name]) for name in row if name.startswith("train/") and "_" in name}
    kinds = ("loss_qfl", "loss_bbox", "loss_dfl")
    assert list(losses) == [f"train/{aux}{kind}" for aux in ("", "aux_") for kind in kinds]
    assert sum(losses.values()) == pytest.approx(float(row["train/loss"]), rel=1e-5)
    monkeypatch.delitem(ASSIGNERS, "Last")
    monkeypatch.delitem(BOX_LOSSES, "L1")
    network, found, _ = load_network(tmp_path / "run" / "model_best" / "model_best.ckpt")
    assert network.aux_head is not None and found.model.arch.head.loss.loss_bbox.name == "GIoULoss"


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ({"assigner_cfg": {"name": "Last", "margin": -1}}, "assigner_cfg.margin: must be 0 to 100"),
        (
            {"assigner_cfg": {"name": "Last", "topk": 1}},
            "assigner_cfg.topk: Last has no such setting (ATSS, DSLA have it); did you mean margin?",
        ),
        (
            {"assigner_cfg": {"name": "ATSS", "iou_factor": 1}},
            "assigner_cfg.iou_factor: ATSS has no such setting (DSLA has it); remove it",
        ),
        (
            {"assigner_cfg": {"name": "Least"}},
            "assigner_cfg.name: 'Least' is not supported; known: ATSS, DSLA, Last",
        ),
        ({"loss": {"loss_bbox": {"name": "L1", "loss_weight": 13}}}, "loss_weight: brings bad luck"),
        (
            {"loss": {"loss_bbox": {"name": "L1", "beta": 1}}}, "loss_bbox.beta: unknown key",
        ),
        (
            {"assigner_cfg": {"name": "Last"}, "octave_base_scale": 4},
            "octave_base_scale: has no effect, because assigner_cfg is given: remove it",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["OneStageDetector", "NanoDetPlus"])
def test_their_sections_are_checked_as_the_others_are(configured, name, head, line):
    if "octave_base_scale" in head and name == "NanoDetPlus":
        head = {"assigner_cfg": {"name": "Last"}, "octave_base_scale": 4}
        line = "octave_base_scale: NanoDetPlusHead has no such setting"
    with pytest.raises(NanodetError) as caught:
        configured(head, name)
    assert str(caught.value).startswith("toy.yml: model.arch.head.") and line in str(caught.value)
    assert "NanoDet-m" not in str(caught.value)  # another model is no remedy
