"""The backbones: their sizes are the published ones, their maps as they say, their settings checked."""

import importlib
import re
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from named_weights import fill
from torch import nn

from nanodet.errors import NanodetError
from nanodet.model.backbones import BACKBONES, repvgg
from nanodet.model.backbones.efficientnet_lite import MBConv
from nanodet.model.backbones.repvgg import RepVGGBlock
from nanodet.model.blocks import ACTIVATIONS
from nanodet.model.norms import Norm
from nanodet.model.part import on_meta
from nanodet.model.pretrained import load_pretrained

CSP = [
    ["Conv", 3, 8, 3, 2], ["MaxPool", 3, 2], ["CspBlock", 8, 1, 3, 1], ["CspBlock", 16, 2, 3, 2],
    ["CspBlock", 32, 0, 5, 2], ["Conv", 64, 24, 1, 2],
]  # fmt: skip
# of each backbone: small settings, all sizes, and the stride of every stage
KINDS = {
    "ShuffleNetV2": (
        {"model_size": "0.5x"},
        [{"model_size": size, "with_last_conv": last} for size in ("0.5x", "2.0x") for last in (0, 1)],
        {2: 8, 3: 16, 4: 32},
    ),
    "EfficientNetLite": (
        {"model_name": "efficientnet_lite0"},
        [{"model_name": f"efficientnet_lite{i}"} for i in range(5)],
        {0: 2, 1: 4, 2: 8, 3: 16, 4: 16, 5: 32, 6: 32},
    ),
    "RepVGG": (
        {"arch": "A0", "last_channel": 64},
        [{"arch": arch} for arch in repvgg.ARCHS] + [{"arch": "A1", "deploy": True}],
        {1: 4, 2: 8, 3: 16, 4: 32},
    ),
    "GhostNet": (
        {"width_mult": 0.25},
        [{"width_mult": width} for width in (0.1, 0.33, 0.5, 1.0, 1.3)],
        {0: 2, 1: 4, 2: 4, 3: 8, 4: 8, 5: 16, 6: 16, 7: 32, 8: 32, 9: 32},
    ),
    "MobileNetV2": (
        {"width_mult": 0.25, "last_channel": 64},
        [{"width_mult": width} for width in (0.1, 0.35, 0.75, 1.0, 1.4)] + [{"last_channel": 100}],
        {0: 2, 1: 4, 2: 8, 3: 16, 4: 16, 5: 32, 6: 32},
    ),
    "CustomCspNet": (
        {"net_cfg": CSP, "out_stages": [3, 4, 5]},
        [
            {"net_cfg": CSP, "norm_cfg": norm}
            for norm in (None, Norm(type="BN"), Norm(type="GN", num_groups=4))
        ],
        {0: 2, 1: 4, 2: 4, 3: 8, 4: 16, 5: 32},
    ),
    "ResNet": (
        {"depth": 18}, [{"depth": depth} for depth in (18, 34, 50, 101, 152)],
        {1: 4, 2: 8, 3: 16, 4: 32},
    ),
}  # fmt: skip
OWN = pytest.mark.parametrize("name", KINDS)


def section_of(name, **keys):
    return BACKBONES[name].section(**keys)


def built(name, **keys):
    return on_meta(BACKBONES[name].build, section_of(name, **keys))


def complaint(section):
    """Return the first line that a section's check has to say, or None."""

    class Refused(Exception):
        pass

    def fail(key, why):
        raise Refused(f"{key}: {why}")

    try:
        section.check(fail)
    except Refused as refused:
        return str(refused)


def test_the_table_has_every_backbone_by_its_name():
    assert set(BACKBONES) == {*KINDS, "TIMMWrapper"}
    for name, part in BACKBONES.items():
        assert part.section.name == name


# millions of parameters with a classifier of 1000 classes, as published with the digits given: by
# torchvision, in Table 4 of RepVGG's paper, Table 7 of GhostNet's, and beside EfficientNet-Lite's weights
PUBLISHED = [
    *(("ShuffleNetV2", {"model_size": size, "with_last_conv": True}, millions) for size, millions in (
        ("0.5x", "1.366792"), ("1.0x", "2.278604"), ("1.5x", "3.503624"), ("2.0x", "7.393996"))),
    *(("ResNet", {"depth": depth}, millions) for depth, millions in (
        (18, "11.689512"), (34, "21.797672"), (50, "25.557032"), (101, "44.549160"),
        (152, "60.192808"))),
    ("MobileNetV2", {}, "3.504872"),
    *(("RepVGG", {"arch": arch, "deploy": True}, millions) for arch, millions in (
        ("A0", "8.30"), ("A1", "12.78"), ("A2", "25.49"), ("B0", "14.33"), ("B1", "51.82"),
        ("B1g2", "41.36"), ("B1g4", "36.12"), ("B2", "80.31"), ("B2g4", "55.77"), ("B3", "110.96"),
        ("B3g4", "75.62"))),
    *(("EfficientNetLite", {"model_name": f"efficientnet_lite{i}"}, millions)
      for i, millions in enumerate(("4.7", "5.4", "6.1", "8.2", "13.0"))),
    ("GhostNet", {"width_mult": 0.5}, "2.6"), ("GhostNet", {}, "5.2"),
    ("GhostNet", {"width_mult": 1.3}, "7.3"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "keys", "millions"), PUBLISHED)
def test_it_has_as_many_parameters_as_published(name, keys, millions):
    backbone = built(name, **keys)
    count = sum(parameter.numel() for parameter in backbone.parameters())
    last = backbone.channels[-1]
    if name in (
        "EfficientNetLite",
        "GhostNet",
    ):  # a convolution of 1280 channels before the classes
        count += last * 1280 + (2560 if name == "EfficientNetLite" else 1280)
        last = 1280
    count += last * 1000 + 1000
    last_digit = 10 ** -len(millions.split(".")[1])
    assert abs(count / 1e6 - float(millions)) < last_digit * 0.999  # some are cut, not rounded


@OWN
@settings(max_examples=4)
@given(data=st.data())
def test_maps_are_as_the_backbone_says(name, data):
    small, sizes, strides = KINDS[name]
    keys = data.draw(st.sampled_from([small, *sizes]))
    stages = data.draw(st.lists(st.sampled_from(list(strides)), min_size=1, unique_by=strides.get))
    act = data.draw(st.sampled_from(list(ACTIVATIONS)))
    section = section_of(name, **{**keys, "out_stages": stages, "activation": act})
    for key in ("last_channel", "with_last_conv"):  # which belong to the last stage
        if max(strides) not in stages and hasattr(section, key):
            setattr(section, key, getattr(type(section), key))
    assert complaint(section) is None
    backbone = on_meta(BACKBONES[name].build, section).eval()
    assert backbone.strides == tuple(strides[stage] for stage in sorted(stages))
    height, width = (data.draw(st.integers(1, 200)) for _ in range(2))
    maps = backbone(torch.empty(2, 3, height, width, device="meta"))
    assert [tuple(x.shape) for x in maps] == [
        (2, channels, -(-height // stride), -(-width // stride))
        for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
    ]


@OWN
def test_names_do_not_depend_on_which_maps_come_out(name):
    small, _, strides = KINDS[name]
    whole, part = (
        built(name, **{**small, "out_stages": [stage]}) for stage in (max(strides), min(strides))
    )
    assert list(whole.state_dict()) == list(part.state_dict())
    assert whole.unused_layers == () and part.unused_layers


@OWN
def test_every_weight_learns_but_those_that_nothing_uses(name):
    small, _, strides = KINDS[name]
    one_less = [stage for stage in strides if strides[stage] == 16][:1]
    torch.manual_seed(0)
    backbone = BACKBONES[name].build(section_of(name, **{**small, "out_stages": one_less}))
    sum(x.square().mean() for x in backbone(torch.randn(2, 3, 40, 56))).backward()
    unused = tuple(f"{layer}." for layer in backbone.unused_layers)
    for path, parameter in backbone.named_parameters():
        assert parameter.requires_grad != path.startswith(unused), path
        assert (parameter.grad is None) == path.startswith(unused), path


@settings(max_examples=20)
@given(
    groups=st.sampled_from([1, 2, 4]), widths=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.sampled_from([1, 2]), act=st.sampled_from(list(ACTIVATIONS)), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_folded_block_of_repvgg_gives_the_same(groups, widths, stride, act, seed):
    channels_in, channels_out = (4 * width for width in widths)
    block = RepVGGBlock(channels_in, channels_out, stride, groups, act).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in block.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(values.exp() if name.endswith("running_var") else values)
    x = torch.randn(2, channels_in, 9, 12, generator=generator)
    with torch.no_grad():
        expected, found = block(x), block.deployed()(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


def test_folded_blocks_have_the_names_of_deploy_true():
    for keys in ({"arch": "A0", "activation": "PReLU"}, {"arch": "B1g4"}):
        backbone = built("RepVGG", **keys)
        for path, module in list(backbone.named_modules()):
            if isinstance(module, RepVGGBlock):
                parent, _, child = path.rpartition(".")
                setattr(backbone.get_submodule(parent), child, module.deployed())
        direct = built("RepVGG", **keys, deploy=True)
        assert [(k, v.shape) for k, v in backbone.state_dict().items()] == [
            (k, v.shape) for k, v in direct.state_dict().items()
        ]
        assert direct.stage0.deployed() is direct.stage0


def test_training_leaves_blocks_of_efficientnet_out_for_some_images():
    x = torch.randn(200, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    block = MBConv(4, 4, 3, 1, 6, dropped=0.3)
    never = MBConv(4, 4, 3, 1, 6, dropped=0.0)
    never.load_state_dict(block.state_dict())
    torch.manual_seed(0)
    with torch.no_grad():
        change, whole = block(x) - x, never(x) - x
    left_out = (change == 0).flatten(1).all(1)
    assert 0.2 < left_out.float().mean() < 0.4
    torch.testing.assert_close(change[~left_out], whole[~left_out] / 0.7)
    with torch.no_grad():
        assert (fill(block)(x) == fill(never)(x)).all()


@pytest.mark.parametrize(
    ("name", "keys", "expected"),
    [
        ("ShuffleNetV2", {"out_stages": []}, "out_stages: []: must be some of 2, 3 and 4, each once"),
        ("ShuffleNetV2", {"out_stages": [2, 2]}, "out_stages: [2, 2]: must be some of"),
        ("ShuffleNetV2", {"out_stages": [2], "with_last_conv": True}, "with_last_conv: ends stage 4"),
        ("EfficientNetLite", {"model_name": "efficientnet_lite0", "out_stages": [2, 3, 4]},
         "out_stages: stages 3 and 4 both have stride 16: choose one"),
        ("GhostNet", {"out_stages": [9, 7]}, "out_stages: stages 7 and 9 both have stride 32"),
        ("GhostNet", {"act": "ReLU6", "activation": "SiLU"}, "act: is the old name of activation"),
        ("MobileNetV2", {"act": "ReLU6", "activation": "SiLU"}, "act: is the old name of activation"),
        ("MobileNetV2", {"out_stages": [1, 2], "last_channel": 64}, "last_channel: belongs to stage 6"),
        ("RepVGG", {"arch": "A0", "out_stages": [2, 3], "last_channel": 64}, "last_channel: belongs"),
        ("CustomCspNet", {"net_cfg": [], "out_stages": [0]}, "net_cfg: is empty"),
        ("CustomCspNet", {"net_cfg": CSP[:1], "out_stages": [1]}, "out_stages: [1]: must be some of 0"),
        ("CustomCspNet", {"net_cfg": CSP, "out_stages": [1, 2]}, "out_stages: stages 1 and 2 both have"),
        *(("CustomCspNet", {"net_cfg": [*CSP[:1], entry], "out_stages": [0]}, f"net_cfg[1]: {expected}")
          for entry, expected in (
              ([], "[]: must begin with one of Conv, CspBlock, MaxPool"),
              (["conv", 8, 8, 3, 1], "['conv', 8, 8, 3, 1]: must begin with one of"),
              ([["Conv"], 8, 8, 3, 1], "[['Conv'], 8, 8, 3, 1]: must begin with one of"),
              (["Conv", 8, 8, 3], "['Conv', 8, 8, 3]: must be Conv, channels in, channels out, kernel"),
              (["Conv", 8, 8, 3, 1.5], "['Conv', 8, 8, 3, 1.5]: its stride must be a whole number"),
              (["Conv", 8, 0, 3, 1], "['Conv', 8, 0, 3, 1]: its channels out must be a whole number, 1"),
              (["Conv", 9, 8, 3, 1], "['Conv', 9, 8, 3, 1]: gets 8 channels from the stage before it"),
              (["Conv", 8, 8, 2, 2], "['Conv', 8, 8, 2, 2]: its kernel must be odd"),
              (["MaxPool", 2, 1], "['MaxPool', 2, 1]: its kernel must be odd"),
              (["MaxPool", 3, 3], "['MaxPool', 3, 3]: its stride must be 1, 2 or 4"),
          )),
        ("CustomCspNet", {"net_cfg": [["Conv", 3, 9, 3, 2], ["CspBlock", 9, 1, 3, 1]], "out_stages": [0]},
         "net_cfg[1]: ['CspBlock', 9, 1, 3, 1]: its channels must be even"),
        ("CustomCspNet", {"net_cfg": CSP, "out_stages": [3], "norm_cfg": Norm(type="GN")},
         "norm_cfg.num_groups: 32 groups do not divide 8 channels"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_one_line(name, keys, expected):
    line = complaint(section_of(name, **keys))
    assert line.startswith(expected)
    assert "\n" not in line


@pytest.mark.parametrize("name", ["GhostNet", "MobileNetV2"])
def test_act_is_the_old_name_of_activation(name):
    backbone = built(name, act="SiLU")
    kinds = {type(module) for module in backbone.modules()}
    assert nn.SiLU in kinds and complaint(section_of(name, act="SiLU")) is None
    assert type(built(name).get_submodule(backbone._steps[0][0])) is not nn.SiLU


@pytest.mark.parametrize(
    ("name", "keys", "theirs", "ours"),
    [
        ("ShuffleNetV2", {}, "conv5.0.weight", "stage4.conv5.0.weight"),
        ("ShuffleNetV2", {}, "stage4.0.branch1.0.weight", "stage4.0.branch1.0.weight"),
        ("MobileNetV2", {}, "features.0.1.bias", "first_layer.1.bias"),
        ("MobileNetV2", {}, "features.1.conv.0.0.weight", "stage0.0.conv.0.0.weight"),
        ("MobileNetV2", {}, "features.3.conv.3.bias", "stage1.1.conv.3.bias"),
        ("MobileNetV2", {}, "features.17.conv.2.weight", "stage6.0.conv.2.weight"),
        ("MobileNetV2", {}, "features.18.0.weight", "stage6.1.0.weight"),
        ("ResNet", {"depth": 50}, "layer1.0.downsample.0.weight", "layer1.0.downsample.0.weight"),
    ],
)
def test_names_of_published_weights_become_ours(name, keys, theirs, ours):
    section = section_of(
        name, **{**keys, **({"with_last_conv": True} if "conv5" in theirs else {})}
    )
    assert BACKBONES[name].pretrained(section).rename(theirs) == ours
    assert ours in on_meta(BACKBONES[name].build, section).state_dict()


def test_weights_of_another_width_are_not_published():
    for name in ("GhostNet", "MobileNetV2"):
        assert BACKBONES[name].pretrained(section_of(name)) is not None
        assert BACKBONES[name].pretrained(section_of(name, width_mult=0.5)) is None


class TestTimm:
    def test_without_timm_it_is_one_line(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "timm", None)
        line = complaint(section_of("TIMMWrapper", model_name="resnet18"))
        assert line.startswith("name: TIMMWrapper needs timm, which cannot be imported (")
        assert line.endswith("): pip install timm")

    @pytest.fixture()
    def timm(self):
        try:
            return importlib.import_module("timm")
        except Exception as error:  # a torchvision for another torch fails with any class
            pytest.skip(f"timm cannot be imported ({error})")

    @pytest.mark.parametrize(
        ("keys", "channels", "strides"),
        [
            ({"model_name": "convnext_nano", "out_indices": [1, 2, 3]}, (160, 320, 640), (8, 16, 32)),
            ({"model_name": "resnet18", "out_indices": [1, 2, 3, 4], "output_stride": 32},
             (64, 128, 256, 512), (4, 8, 16, 32)),
            ({"model_name": "mobilenetv3_large_100", "out_indices": [1, 2, 3, 4]},
             (24, 40, 112, 960), (4, 8, 16, 32)),
        ],
    )  # fmt: skip
    def test_maps_are_as_the_backbone_says(self, timm, keys, channels, strides):
        section = section_of("TIMMWrapper", **keys)
        assert complaint(section) is None
        backbone = BACKBONES["TIMMWrapper"].build(section).eval()
        assert (backbone.channels, backbone.strides) == (channels, strides)
        with torch.no_grad():
            maps = backbone(torch.zeros(1, 3, 64, 96))
        assert [tuple(x.shape) for x in maps] == [
            (1, c, 64 // s, 96 // s) for c, s in zip(channels, strides, strict=True)
        ]
        assert all(name.startswith("timm.") for name in backbone.state_dict())

    @pytest.mark.parametrize("model_name", ["convnext_atto", "mobilenetv3_small_050", "resnet10t"])
    def test_weights_of_the_whole_model_are_taken_from_a_file(self, timm, model_name, tmp_path):
        whole = timm.create_model(model_name, pretrained=False)
        path = tmp_path / "weights.pth"
        torch.save(whole.state_dict(), path)
        section = section_of(
            "TIMMWrapper", model_name=model_name, out_indices=[0, 1], checkpoint_path=str(path)
        )
        backbone = BACKBONES["TIMMWrapper"].build(section)
        assert load_pretrained(backbone, section) == f"backbone: weights of {path}"
        theirs = {tuple(v.shape): v for v in whole.state_dict().values() if v.ndim == 4}
        ours = [v for v in backbone.state_dict().values() if v.ndim == 4]
        assert any(torch.equal(theirs[tuple(v.shape)], v) for v in ours)
        torch.save({"conv.weight": torch.zeros(1)}, path)
        with pytest.raises(
            NanodetError, match=r"my\.yml: model\.arch\.backbone\.checkpoint_path: .* miss"
        ):
            load_pretrained(backbone, section, "my.yml")

    def test_weights_that_cannot_be_fetched_are_one_line(self, timm, tmp_path, monkeypatch):
        for name in ("HF_HOME", "TORCH_HOME"):
            monkeypatch.setenv(name, str(tmp_path))
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        section = section_of("TIMMWrapper", model_name="resnet10t", out_indices=[1, 2])
        backbone = BACKBONES["TIMMWrapper"].build(section)
        with pytest.raises(NanodetError) as caught:
            load_pretrained(backbone, section, "my.yml")
        line = str(caught.value)
        assert line.startswith(
            "my.yml: model.arch.backbone.pretrained: timm cannot load the weights: "
        )
        assert "\n" not in line

    @pytest.mark.parametrize(
        ("keys", "expected"),
        [
            ({"model_name": "resnt18"}, "model_name: timm .* no model of this name; .* resnet18"),
            (
                {"model_name": "vit_tiny_patch16_224"},
                "model_name: not a backbone for images of 160 x 96",
            ),
            (
                {"model_name": "xcit_nano_12_p8_224"},
                r"out_indices: .*strides \[8, 8, 8\]: choose one",
            ),
            (
                {"model_name": "resnet18", "out_indices": [3, 1]},
                r"out_indices: \[3, 1\]: must ascend",
            ),
            ({"model_name": "resnet18", "out_indices": [9]}, "model_name: not a backbone"),
            ({"model_name": "vgg11", "output_stride": 8}, "model_name: not a backbone"),
        ],
    )
    def test_what_cannot_work_is_one_line(self, timm, keys, expected):
        line = complaint(section_of("TIMMWrapper", **keys))
        assert line is not None
        assert re.match(expected, line), line
