"""What CONTRIBUTING.md promises: a new part is one file, and one entry of a table."""

import itertools
from dataclasses import dataclass

import pytest
from torch import nn

from nanodet.config import config_from_dict, config_to_dict
from nanodet.config.build import build
from nanodet.config.keys import key
from nanodet.config.model_sections import Model
from nanodet.errors import NanodetError
from nanodet.model.assembly import follow_head
from nanodet.model.backbones import BACKBONES
from nanodet.model.blocks import activation
from nanodet.model.heads import HEADS
from nanodet.model.heads.points import AtssSection, PointHead, settings_of
from nanodet.model.network import build_network
from nanodet.model.part import Part
from nanodet.quickstart.config import quickstart_config
from nanodet.quickstart.shapes import draw_set
from nanodet.train.trainer import train


class Toy(nn.Module):
    """Five strided convolutions; the last three give the maps."""

    strides = (8, 16, 32)

    def __init__(self, width: int, act: str) -> None:
        super().__init__()
        sides = (3, width, width, width, 2 * width, 4 * width)
        self.channels = sides[-3:]
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, 2, 1, bias=False), nn.BatchNorm2d(o), activation(act))
            for i, o in itertools.pairwise(sides)
        )

    def forward(self, x):
        maps = []
        for step in self.steps:
            x = step(x)
            maps.append(x)
        return tuple(maps[-3:])


@dataclass
class Section:
    name: str = key("Toy", "five convolutions")
    width: int = key(8, "channels of the first map", 4, 64, alike=("model_size",))
    activation: str = key("ReLU", "after the convolutions")

    def check(self, fail):
        if self.width % 4:
            fail("width", f"must be a multiple of 4, not {self.width}")


class ToyHead(PointHead):
    """One convolution a level, and points at a quarter of their cells."""

    point_offset = 0.25
    output_layers = {f"out.{i}": ("classes", "edges") for i in range(3)}  # noqa: RUF012

    def __init__(self, settings) -> None:
        super().__init__(settings.num_classes, settings.strides, settings.code)
        outputs = settings.num_classes + self.code.channels
        self.out = nn.ModuleList(
            nn.Conv2d(settings.channels_in, outputs, 1) for _ in settings.strides
        )

    def level(self, i, x):
        return self.out[i](x)


@dataclass
class HeadSection(AtssSection):
    name: str = key("ToyHead", "one convolution a level")
    reg_max: int = key(5, "edges are distributions over 0 to this many strides", 1, 256)


@pytest.fixture()
def toy(monkeypatch):
    monkeypatch.setitem(
        BACKBONES, "Toy", Part(Section, lambda section: Toy(section.width, section.activation))
    )

    def build_head(section, channels, strides):
        return ToyHead(settings_of(section, channels, strides))

    monkeypatch.setitem(HEADS, "ToyHead", Part(HeadSection, build_head))


@pytest.fixture()
def config(toy, tmp_path):
    """A config of a detector with the toy parts, and a set of six images."""
    sets = draw_set(tmp_path / "train", 4, 0), draw_set(tmp_path / "val", 2, 1)
    mapping = config_to_dict(quickstart_config(tmp_path / "run", *sets, seed=0, epochs=1))
    mapping["model"]["arch"] = {
        "backbone": {"name": "Toy", "width": 8}, "fpn": {"out_channels": 32}, "head": {"name": "ToyHead"},
    }  # fmt: skip
    for part in ("train", "val"):
        mapping["data"][part]["input_size"] = [96, 96]
    mapping["device"]["batchsize_per_gpu"] = 4
    return config_from_dict(mapping, "toy.yml")


def test_parts_of_ones_own_are_trained_exported_and_verified(config, tmp_path):
    pytest.importorskip("pnnx")
    from nanodet.export.export import export
    from nanodet.verify.verify import verify

    train(config, "toy.yml", lambda line: None)
    checkpoint = tmp_path / "run" / "model_best" / "model_best.ckpt"
    exported = export(checkpoint, tmp_path / "exported", report=lambda line: None)
    assert not exported.left_out
    assert (exported.spec.point_offset, exported.spec.reg_max) == (0.25, 5)
    report = verify(checkpoint, tmp_path / "exported", limit=2)
    assert {"ncnn", "onnx"} <= {row.name.split()[0] for row in report.rows}
    assert report.agrees


def test_its_section_is_checked_as_the_others_are(toy):
    def built(**keys):
        arch = {"backbone": {"name": "Toy", **keys}, "head": {"num_classes": 2}}
        return build(Model, {"arch": arch}, "my.yml").arch

    network = build_network(built(width=12))
    assert network.head.strides == (8, 16, 32)
    for keys, line in (
        ({"width": 6}, "width: must be a multiple of 4, not 6"),
        ({"width": 2}, "width: must be 4 to 64, not 2"),
        (
            {"model_size": "1.0x"},
            "model_size: Toy has no such setting (ShuffleNetV2 has it); did you mean width?",
        ),
        ({"widht": 8}, "widht: unknown key; did you mean width?"),
    ):
        with pytest.raises(NanodetError) as caught:
            build_network(built(**keys), "my.yml")
        assert str(caught.value).endswith(f"arch.backbone.{line}")


def test_a_head_without_the_key_strides_gets_it():
    @dataclass
    class Bare:
        name: str = key("Bare", "no strides")

    section = Bare()
    follow_head(section, "head", 32, (8, 16), lambda *why: pytest.fail(str(why)))
    assert section.strides == [8, 16]


def test_maps_of_a_stride_that_inputs_are_no_multiples_of(config):
    mapping = config_to_dict(config)
    blocks = [["CspBlock", 32 << i, 1, 3, 2] for i in range(5)]
    mapping["model"]["arch"]["backbone"] = {
        "name": "CustomCspNet", "out_stages": [4, 5, 6], "activation": "LeakyReLU",
        "net_cfg": [["Conv", 3, 32, 3, 2], ["MaxPool", 3, 2], *blocks],
    }  # fmt: skip
    with pytest.raises(
        NanodetError, match=r"backbone: its last map has stride \d+, but inputs are"
    ):
        config_from_dict(mapping, "deep.yml")
