"""ShuffleNetV2 (Ma et al., ECCV 2018) as a feature extractor."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nanodet.model.backbones import keys
from nanodet.model.backbones.stages import Stage, StagedBackbone
from nanodet.model.blocks import conv_norm, conv_norm_act
from nanodet.model.part import Fail, Part, Pretrained

BLOCKS = {2: 4, 3: 8, 4: 4}  # of each stage
STRIDES = {2: 8, 3: 16, 4: 32}
# channels after conv1, stage2, stage3, stage4, conv5
CHANNELS = {
    "0.5x": (24, 48, 96, 192, 1024),
    "1.0x": (24, 116, 232, 464, 1024),
    "1.5x": (24, 176, 352, 704, 1024),
    "2.0x": (24, 244, 488, 976, 2048),
}
# torchvision's, named after the first digits of their SHA-256
_PUBLISHED = {
    "0.5x": "shufflenetv2_x0.5-f707e7126e.pth",
    "1.0x": "shufflenetv2_x1-5666bf0f80.pth",
    "1.5x": "shufflenetv2_x1_5-3c479a10.pth",
    "2.0x": "shufflenetv2_x2_0-8be3c8ee.pth",
}


@dataclass
class Section:
    name: str = keys.key("ShuffleNetV2", "the backbone", known=("ShuffleNetV2",))
    model_size: str = keys.size("1.0x", "width (the original's default: 1.5x)", known=CHANNELS)
    out_stages: list[int] = keys.out_stages([2, 3, 4], STRIDES)
    activation: str = keys.activation(
        "LeakyReLU", "after its convolutions (the original's default: ReLU)"
    )
    with_last_conv: bool = keys.key(
        False, "end stage 4 with the 1 x 1 convolution of the ImageNet network",
        alike=("last_channel",),
    )  # fmt: skip
    kernal_size: int = keys.key(3, "the original's spelling; unused there, too", known=(3,))
    pretrain: bool | str = keys.pretrain("torchvision's")

    def check(self, fail: Fail) -> None:
        keys.check_out_stages(self.out_stages, STRIDES, fail)
        if self.with_last_conv and 4 not in self.out_stages:
            fail("with_last_conv", "ends stage 4, which out_stages leaves out: remove it")


class ShuffleBlock(nn.Module):
    """One unit of ShuffleNetV2; with stride 2 both branches convolve, otherwise one half is kept.

    Shapes: (B, C_in, H, W) to (B, C_out, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int, act: str) -> None:
        super().__init__()
        half = channels_out // 2
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                *conv_norm(channels_in, channels_in, 3, stride, groups=channels_in),
                *conv_norm_act(channels_in, half, 1, act),
            )
        self.branch2 = nn.Sequential(
            *conv_norm_act(channels_in if stride > 1 else half, half, 1, act),
            *conv_norm(half, half, 3, stride, groups=half),
            *conv_norm_act(half, half, 1, act),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            both = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        else:
            passed, worked = x.chunk(2, dim=1)
            both = torch.cat((passed, self.branch2(worked)), dim=1)
        return channel_shuffle(both)


@torch.fx.wrap  # one node of a traced network: the export rewrites it
def channel_shuffle(x: Tensor) -> Tensor:
    """Interleave the two halves of the channels: (B, C, H, W) to the same shape."""
    batch, channels, height, width = x.shape
    x = x.view(batch, 2, channels // 2, height, width)
    return x.transpose(1, 2).reshape(batch, channels, height, width)


class ShuffleNetV2(StagedBackbone):
    """See `StagedBackbone` for the shapes.

    Args:
        model_size: 0.5x, 1.0x, 1.5x or 2.0x.
        out_stages: stages whose maps are returned, of 2, 3, 4 (strides 8, 16, 32).
        act: name of the activation.
        with_last_conv: whether stage 4 ends with the 1 x 1 ``conv5`` of the ImageNet network.
    """

    not_pretrained = ("stage4.conv5.",)  # weight files of networks without it may lack it

    def __init__(
        self,
        model_size: str = "1.0x",
        out_stages: Sequence[int] = (2, 3, 4),
        act: str = "LeakyReLU",
        with_last_conv: bool = False,
    ) -> None:
        super().__init__()
        channels, *widths, last = CHANNELS[model_size]
        self.conv1 = conv_norm_act(3, channels, 3, act, stride=2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages = []
        for (number, blocks), width in zip(BLOCKS.items(), widths, strict=True):
            layers = nn.Sequential(ShuffleBlock(channels, width, 2, act))
            for _ in range(blocks - 1):
                layers.append(ShuffleBlock(width, width, 1, act))
            channels = width
            if number == 4 and with_last_conv:
                layers.add_module("conv5", conv_norm_act(width, last, 1, act))
                channels = last
            self.add_module(f"stage{number}", layers)
            stages.append(Stage(number, f"stage{number}", channels, STRIDES[number]))
        self.set_stages(("conv1", "maxpool"), stages, out_stages)


def build(section: Section) -> ShuffleNetV2:
    """Build the backbone with random weights."""
    return ShuffleNetV2(
        section.model_size, section.out_stages, section.activation, section.with_last_conv
    )


def pretrained(section: Section) -> Pretrained:
    """Return where torchvision publishes its ImageNet weights."""
    file = _PUBLISHED[section.model_size]
    digits = file.rsplit("-", 1)[1].removesuffix(".pth")
    return Pretrained(f"https://download.pytorch.org/models/{file}", digits, _rename)


def _rename(name: str) -> str:
    # there the last convolution is outside stage 4
    return f"stage4.{name}" if name.startswith("conv5.") else name


PART = Part(Section, build, pretrained)
