"""The necks: levels, strides and sizes of what they give."""

import pytest
import torch
from torch import nn

from nanodet.errors import NanodetError
from nanodet.model.necks import NECKS
from nanodet.model.necks.ghost_pan import Upsample
from nanodet.model.norms import Norm
from nanodet.model.part import on_meta

CHANNELS, STRIDES = (8, 12, 16), (8, 16, 32)
SETTINGS = [
    ("PAN", {}),
    ("PAN", {"norm_cfg": Norm(type="BN"), "activation": "ReLU"}),
    ("FPN", {"norm_cfg": Norm(type="GN", num_groups=2)}),
    ("ConvFPN", {}),
    ("ConvFPN", {"num_outs": 5, "norm_cfg": Norm(type="BN"), "activation": "ReLU"}),
    ("GhostPAN", {}),
    ("GhostPAN", {"num_extra_level": 1, "use_depthwise": True}),
    ("GhostPAN", {"num_blocks": 2, "use_res": True, "expand": 2, "kernel_size": 3}),
    ("GhostPAN", {"num_extra_level": 1, "upsample_cfg": Upsample(mode="nearest")}),
    ("TAN", {"feature_hw": [6, 10], "num_heads": 2, "num_encoders": 2}),
]


def build(name, **settings):
    part = NECKS[name]
    return part.build(part.section(name=name, out_channels=8, **settings), CHANNELS, STRIDES)


def maps(height=96, width=160, batch=2):
    return tuple(
        torch.randn(batch, c, height // s, width // s)
        for c, s in zip(CHANNELS, STRIDES, strict=True)
    )


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_maps_have_the_channels_and_strides_that_are_stated(name, settings):
    neck = build(name, **settings)
    given = neck(maps())
    assert neck.strides[:3] == STRIDES and len(given) == len(neck.strides)
    for stride, x in zip(neck.strides, given, strict=True):
        assert x.shape == (2, neck.channels, -(-96 // stride), -(-160 // stride))
    sum(x.sum() for x in given).backward()
    unused = [neck.get_submodule(layer) for layer in getattr(neck, "unused_layers", ())]
    unused = {parameter for layer in unused for parameter in layer.parameters()}
    for parameter in set(neck.parameters()) - unused:
        assert parameter.grad is not None and parameter.grad.isfinite().all()


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_a_neck_is_built_without_memory(name, settings):
    neck = on_meta(lambda: build(name, **settings))
    assert all(tensor.is_meta for tensor in neck.state_dict().values())
    assert (neck.channels, neck.strides) == (8, build(name, **settings).strides)


def test_conv_fpn_is_the_published_pyramid():
    neck, given = build("ConvFPN", num_outs=5), maps()
    found = neck(given)
    below = None
    for i in (2, 1, 0):
        x = neck.lateral_convs[i](given[i])
        below = x if below is None else x + below.repeat_interleave(2, 2).repeat_interleave(2, 3)
        torch.testing.assert_close(found[i], neck.fpn_convs[i](below))
    torch.testing.assert_close(found[3], neck.fpn_convs[3](found[2]))
    torch.testing.assert_close(found[4], neck.fpn_convs[4](found[3]))
    assert [tuple(x.shape[2:]) for x in found[2:]] == [(3, 5), (2, 3), (1, 2)]


def test_conv_fpn_has_no_level_that_a_spec_cannot_state():
    assert build("ConvFPN", num_outs=8).strides[-1] == 1024
    with pytest.raises(NanodetError, match="num_outs 9: the last map would have stride 2048"):
        build("ConvFPN", num_outs=9)


def test_the_extra_level_is_half_the_last_rounded_up():
    neck = build("GhostPAN", num_extra_level=1)
    given = neck(maps(height=96, width=224))
    assert [x.shape[2:] for x in given[2:]] == [(3, 7), (2, 4)]
    assert neck.strides == (8, 16, 32, 64)


@pytest.mark.parametrize("name", NECKS)
def test_maps_of_other_steps_are_refused(name):
    part = NECKS[name]
    with pytest.raises(
        NanodetError, match=rf"{name} needs maps whose strides double, not \[8, 32, 64\]"
    ):
        part.build(part.section(name=name, out_channels=8), CHANNELS, (8, 32, 64))


def test_tan_says_which_images_it_takes():
    neck = build("TAN", feature_hw=[6, 10])
    assert neck.input_size == (160, 96)
    with pytest.raises(NanodetError, match="TAN takes images of 160 x 96 pixels only"):
        neck(maps(height=160, width=96))
    part = NECKS["TAN"]
    with pytest.raises(NanodetError, match="TAN joins three maps, and the backbone gives 2"):
        part.build(part.section(name="TAN"), CHANNELS[1:], STRIDES[1:])


def test_attention_is_that_of_torch():
    ours = build("TAN", feature_hw=[6, 10], num_heads=4).eval().transformer.encoders[0].attn
    theirs = nn.MultiheadAttention(8, 4, batch_first=True).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, 8)
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0])


def test_initial_weights_follow_the_recipes():
    torch.manual_seed(0)
    section = NECKS["GhostPAN"].section(name="GhostPAN", use_depthwise=True, num_extra_level=1)
    neck = NECKS["GhostPAN"].build(section, (116, 232, 464), STRIDES)
    for conv, outputs in (
        (neck.reduce_layers[2].conv, 96),
        (neck.downsamples[0].pointwise, 96),
        (neck.extra_lvl_in_conv[0].pointwise, 96),
    ):
        assert conv.weight.std().item() == pytest.approx((2 / outputs) ** 0.5, rel=0.1)
    section = NECKS["TAN"].section(name="TAN")
    neck = NECKS["TAN"].build(section, (116, 232, 464), STRIDES)
    assert neck.pos_embed.std().item() == pytest.approx(0.02, rel=0.1)
    assert neck.transformer.encoders[0].mlp.fc1.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert neck.lateral_convs[0].conv.weight.std().item() == pytest.approx(0.01, rel=0.1)
