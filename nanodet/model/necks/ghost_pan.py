"""The neck of NanoDet-Plus: a PAN whose maps are joined by ghost bottlenecks."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nanodet.config.keys import key
from nanodet.model.blocks import (
    ACTIVATIONS,
    CONVOLUTIONS,
    ConvNorm,
    DepthwiseSeparable,
    convolutions,
)
from nanodet.model.ghost import GhostBottleneck
from nanodet.model.necks.pyramid import NeckSection, check_doubling, resize
from nanodet.model.norms import Norm, check_norm
from nanodet.model.part import Fail, Part


@dataclass
class Upsample:
    scale_factor: int = key(2, "the factor; the strides of the levels double", known=(2,))
    mode: str = key("bilinear", "the interpolation", known=("bilinear", "nearest"))


@dataclass
class GhostPanSection(NeckSection):
    name: str = key("GhostPAN", "path aggregation by ghost bottlenecks", known=("GhostPAN",))
    use_depthwise: bool = key(False, "depthwise separable convolutions from level to level")
    kernel_size: int = key(
        5, "side of the depthwise kernels, and of those from level to level", 1, 31
    )
    expand: int = key(1, "inner channels of a ghost bottleneck per channel of a map", 1, 16)
    num_blocks: int = key(1, "ghost bottlenecks where two maps are joined", 1, 64)
    use_res: bool = key(False, "add the joined maps, reduced, to the output of the bottlenecks")
    num_extra_level: int = key(0, "1: one more level after the backbone's, of half the size", 0, 1)
    upsample_cfg: Upsample = key(Upsample, "how a coarser map is enlarged")
    norm_cfg: Norm = key(
        lambda: Norm(type="BN"), "norm of the convolutions; the ghost bottlenecks have batch norm"
    )
    activation: str = key("LeakyReLU", "after the convolutions", known=tuple(ACTIVATIONS))

    def check(self, fail: Fail) -> None:
        if self.out_channels % 2:
            fail("out_channels", f"{self.out_channels}: must be even, ghost modules halve it")
        if self.kernel_size % 2 == 0:
            fail(
                "kernel_size", f"{self.kernel_size}: must be odd, otherwise maps change their size"
            )
        check_norm(self.norm_cfg, fail, self.out_channels)


class GhostBlocks(nn.Module):
    """A sequence of ghost bottlenecks: (B, C_in, H, W) to (B, C_out, H, W); arguments as `GhostPAN`'s."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        expand: int,
        kernel: int,
        count: int,
        residual: bool,
        act: str,
    ):
        super().__init__()
        self.residual = residual
        if residual:
            self.reduce_conv = ConvNorm(channels_in, channels_out, 1, None, act)
        self.blocks = nn.Sequential(
            *(
                GhostBottleneck(
                    channels_out if i else channels_in,
                    channels_out * expand,
                    channels_out,
                    kernel,
                    1,
                    act,
                )
                for i in range(count)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.blocks(x)
        return y + self.reduce_conv(x) if self.residual else y


class GhostPAN(nn.Module):
    """Joins maps from coarse to fine and back, and optionally adds a coarser level.

    Args:
        in_channels, strides: of the input maps; each stride is twice the one before.
        out_channels: channels of every output map, even.
        depthwise: whether the convolutions from level to level are depthwise separable.
        kernel: side of their kernels and of the bottlenecks', odd.
        expand, count, residual: inner channels per channel, number and shortcut of the ghost
            bottlenecks that join two maps.
        extra_levels: 0, or 1 for one more level, made of the last map before and after the joining.
        mode: how a coarser map is enlarged, bilinear or nearest.
        norm, act: after the convolutions.

    Shapes: maps (B, in_channels[i], H / 2^i, W / 2^i) to as many (B, out_channels, H / 2^i, W / 2^i),
    the extra level half as large as the last, sides rounded up.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        out_channels: int,
        depthwise: bool,
        kernel: int,
        expand: int,
        count: int,
        residual: bool,
        extra_levels: int,
        mode: str,
        norm: Norm,
        act: str,
    ):
        super().__init__()
        check_doubling("GhostPAN", strides)
        self.channels, self.mode = out_channels, mode
        self.strides = (*strides, *(strides[-1] * 2**i for i in range(1, extra_levels + 1)))
        kind = CONVOLUTIONS["DWConv" if depthwise else "Conv"]

        def joints() -> nn.ModuleList:
            return nn.ModuleList(
                GhostBlocks(2 * out_channels, out_channels, expand, kernel, count, residual, act)
                for _ in in_channels[1:]
            )

        def halving(number: int) -> nn.ModuleList:
            return nn.ModuleList(
                kind(out_channels, out_channels, kernel, norm, act, stride=2) for _ in range(number)
            )

        self.reduce_layers = nn.ModuleList(
            ConvNorm(channels, out_channels, 1, norm, act) for channels in in_channels
        )
        self.top_down_blocks = joints()
        self.downsamples = halving(len(in_channels) - 1)
        self.bottom_up_blocks = joints()
        self.extra_lvl_in_conv = halving(extra_levels)
        self.extra_lvl_out_conv = halving(extra_levels)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        given = [reduce(x) for reduce, x in zip(self.reduce_layers, maps, strict=True)]
        joined = [given[-1]]  # from coarse to fine
        for join, x in zip(self.top_down_blocks, reversed(given[:-1]), strict=True):
            joined.append(join(torch.cat((resize(joined[-1], 2.0, self.mode), x), dim=1)))
        levels = [joined.pop()]
        for halve, join in zip(self.downsamples, self.bottom_up_blocks, strict=True):
            levels.append(join(torch.cat((halve(levels[-1]), joined.pop()), dim=1)))
        for first, second in zip(self.extra_lvl_in_conv, self.extra_lvl_out_conv, strict=True):
            levels.append(first(given[-1]) + second(levels[-1]))
        return tuple(levels)


def build(section: GhostPanSection, channels: Sequence[int], strides: Sequence[int]) -> GhostPAN:
    neck = GhostPAN(
        in_channels=channels,
        strides=strides,
        out_channels=section.out_channels,
        depthwise=section.use_depthwise,
        kernel=section.kernel_size,
        expand=section.expand,
        count=section.num_blocks,
        residual=section.use_res,
        extra_levels=section.num_extra_level,
        mode=section.upsample_cfg.mode,
        norm=section.norm_cfg,
        act=section.activation,
    )
    # the ghost bottlenecks keep torch's initialisation
    between = [m for m in neck.modules() if isinstance(m, (ConvNorm, DepthwiseSeparable))]
    for conv in convolutions(between):
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
    return neck


PART = Part(GhostPanSection, build)
