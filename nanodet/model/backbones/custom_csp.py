"""A backbone of cross stage partial blocks (CSPNet: Wang et al., CVPRW 2020), listed in its config."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nanodet.config.keys import REQUIRED
from nanodet.model.backbones import keys
from nanodet.model.backbones.layers import initialise
from nanodet.model.backbones.stages import Stage, StagedBackbone
from nanodet.model.blocks import ConvNorm
from nanodet.model.norms import Norm, check_norm
from nanodet.model.part import Fail, Part

# the values that follow the name of a stage in net_cfg, with their bounds
_CHANNELS, _KERNEL, _STRIDE = ("channels in", 1, 4096), ("kernel", 1, 31), ("stride", 1, 4)
LAYERS = {
    "Conv": (_CHANNELS, ("channels out", 1, 4096), _KERNEL, _STRIDE),
    "CspBlock": (_CHANNELS, ("residual blocks", 0, 64), _KERNEL, _STRIDE),
    "MaxPool": (_KERNEL, _STRIDE),
}


@dataclass
class Section:
    name: str = keys.key("CustomCspNet", "the backbone", known=("CustomCspNet",))
    net_cfg: list[list[Any]] = keys.key(
        REQUIRED,
        "the stages, from 0 on: `[Conv, channels in, channels out, kernel, stride]`, `[CspBlock, "
        "channels in, residual blocks, kernel, stride]`, which gives twice the channels, or "
        "`[MaxPool, kernel, stride]`",
        alike=("model_size", "width_mult", "depth", "arch", "model_name"),
    )
    out_stages: list[int] = keys.key(
        REQUIRED, "stages whose maps the neck gets", 0, 255, alike=("out_indices",)
    )
    norm_cfg: Norm | None = keys.key(
        lambda: Norm(type="BN"), "after the convolutions; none if null"
    )
    activation: str = keys.activation("LeakyReLU")

    def check(self, fail: Fail) -> None:
        channels = 3
        if not self.net_cfg:
            fail("net_cfg", "is empty")
        for i, stage in enumerate(self.net_cfg):
            why = _wrong(stage, channels)
            if why:
                fail(f"net_cfg[{i}]", f"{stage}: {why}")
            channels = _channels_out(stage, channels)
        keys.check_out_stages(self.out_stages, dict(enumerate(_strides(self.net_cfg))), fail)
        widths = [
            stage[2] if stage[0] == "Conv" else stage[1] // 2
            for stage in self.net_cfg
            if stage[0] != "MaxPool"
        ]
        check_norm(self.norm_cfg, fail, *widths)


def _wrong(stage: list[Any], channels: int) -> str:
    """Return the fault of an entry of ``net_cfg`` that gets maps of ``channels``, or ""."""
    name, *values = stage or [None]
    layout = LAYERS.get(name) if isinstance(name, str) else None
    if layout is None:
        return f"must begin with one of {', '.join(LAYERS)}"
    if len(values) != len(layout):
        return f"must be {name}, {', '.join(what for what, *_ in layout)}"
    for value, (what, low, high) in zip(values, layout, strict=True):
        if type(value) is not int or not low <= value <= high:
            return f"its {what} must be a whole number, {low} to {high}"
    *_, kernel, stride = values
    if stride == 3:
        return "its stride must be 1, 2 or 4"
    if kernel % 2 == 0 and (name != "MaxPool" or stride == 1):
        return "its kernel must be odd"
    if name != "MaxPool" and values[0] != channels:
        return f"gets {channels} channels from the stage before it"
    return "its channels must be even" if name == "CspBlock" and channels % 2 else ""


def _channels_out(stage: list[Any], channels: int) -> int:
    return {"Conv": stage[2], "CspBlock": 2 * channels, "MaxPool": channels}[stage[0]]


def _strides(net_cfg: list[list[Any]]) -> list[int]:
    strides, stride = [], 1
    for *_, step in net_cfg:
        stride *= step
        strides.append(stride)
    return strides


class TinyResBlock(nn.Module):
    """Half of the channels are a convolution of the input, the others a convolution of that half."""

    def __init__(self, channels: int, kernel: int, norm: Norm | None, act: str) -> None:
        super().__init__()
        half = channels // 2
        self.in_conv = ConvNorm(channels, half, kernel, norm, act)
        self.mid_conv = ConvNorm(half, half, kernel, norm, act)

    def forward(self, x: Tensor) -> Tensor:
        x = self.in_conv(x)
        return torch.cat((self.mid_conv(x), x), dim=1)


class CspBlock(nn.Module):
    """A convolution, whose output is joined with itself after some `TinyResBlock`.

    Shapes: (B, C, H, W) to (B, 2 C, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self, channels: int, blocks: int, kernel: int, stride: int, norm: Norm | None, act: str
    ) -> None:
        super().__init__()
        self.in_conv = ConvNorm(channels, channels, kernel, norm, act, stride)
        self.res_blocks = nn.Sequential(
            *(TinyResBlock(channels, kernel, norm, act) for _ in range(blocks))
        )
        self.res_out_conv = ConvNorm(channels, channels, kernel, norm, act)

    def forward(self, x: Tensor) -> Tensor:
        x = self.in_conv(x)
        return torch.cat((self.res_out_conv(self.res_blocks(x)), x), dim=1)


class CustomCspNet(StagedBackbone):
    """See `StagedBackbone` for the shapes.

    Args:
        net_cfg: the stages, see `LAYERS`.
        out_stages: stages whose maps are returned, counted from 0.
        norm: after the convolutions, None for none.
        act: name of the activation.
    """

    def __init__(
        self, net_cfg: list[list[Any]], out_stages: Sequence[int], norm: Norm | None, act: str
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        channels, stages = 3, []
        for number, (stage, stride) in enumerate(zip(net_cfg, _strides(net_cfg), strict=True)):
            name, *values = stage
            layer: nn.Module
            if name == "Conv":
                channels_in, channels_out, kernel, step = values
                layer = ConvNorm(channels_in, channels_out, kernel, norm, act, step)
            elif name == "CspBlock":
                channels_in, blocks, kernel, step = values
                layer = CspBlock(channels_in, blocks, kernel, step, norm, act)
            else:
                kernel, step = values
                layer = nn.MaxPool2d(kernel, step, (kernel - 1) // 2)
            self.stages.append(layer)
            channels = _channels_out(stage, channels)
            stages.append(Stage(number, f"stages.{number}", channels, stride))
        initialise(self)
        self.set_stages((), stages, out_stages)


def build(section: Section) -> CustomCspNet:
    """Build the backbone with random weights."""
    return CustomCspNet(section.net_cfg, section.out_stages, section.norm_cfg, section.activation)


PART = Part(Section, build)
