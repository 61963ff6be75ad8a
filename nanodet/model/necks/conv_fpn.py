"""The feature pyramid neck (Lin et al., CVPR 2017) as published, with the extra levels of large detectors."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nanodet.config.keys import key
from nanodet.errors import NanodetError
from nanodet.model.blocks import ConvNorm
from nanodet.model.necks.fpn import FPN, FpnSection, start
from nanodet.model.norms import Norm
from nanodet.model.part import Part
from nanodet.runtime.options import LARGEST_STRIDE


@dataclass
class ConvFpnSection(FpnSection):
    name: str = key(
        "ConvFPN", "a feature pyramid with 3 x 3 convolutions after the sums", known=("ConvFPN",)
    )
    out_channels: int = key(256, "channels of the output maps", 1, 4096)
    num_outs: int | None = key(
        None,
        "number of maps; each one more than the backbone's (the default) is half as large as the one "
        "before",
        1, 16, alike=("add_extra_convs", "num_extra_level"),
    )  # fmt: skip


class ConvFPN(FPN):
    """An `FPN`, then a 3 x 3 convolution on each map, and coarser maps by convolutions of stride 2.

    A coarser map is enlarged to its nearest values, as published: the convolutions after the sums
    smooth the steps that this leaves, and it costs less than the interpolation of necks without them.

    Args:
        num_outs: number of output maps; None: as many as input maps.
        others: as `FPN`'s; the norm and the activation also follow the 3 x 3 convolutions.

    Shapes: maps (B, in_channels[i], H / 2^i, W / 2^i) to num_outs maps (B, out_channels, H / 2^i, W / 2^i),
    sides of the additional ones rounded up.
    """

    mode = "nearest"

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        out_channels: int,
        norm: Norm | None = None,
        act: str | None = None,
        num_outs: int | None = None,
    ):
        super().__init__(in_channels, strides, out_channels, norm, act)
        extra = max((num_outs or 0) - len(strides), 0)
        self.strides += tuple(strides[-1] * 2**i for i in range(1, extra + 1))
        if self.strides[-1] > LARGEST_STRIDE:
            raise NanodetError(
                f"num_outs {num_outs}: the last map would have stride {self.strides[-1]}, more than "
                f"{LARGEST_STRIDE}"
            )
        self.fpn_convs = nn.ModuleList(
            ConvNorm(out_channels, out_channels, 3, norm, act, stride=1 if i < len(strides) else 2)
            for i in range(len(self.strides))
        )

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        sums = super().forward(maps)
        levels = [conv(x) for conv, x in zip(self.fpn_convs, sums, strict=False)]
        for conv in self.fpn_convs[len(sums) :]:
            levels.append(conv(levels[-1]))
        return tuple(levels)


def build(section: ConvFpnSection, channels: Sequence[int], strides: Sequence[int]) -> ConvFPN:
    fpn = ConvFPN(
        channels,
        strides,
        section.out_channels,
        section.norm_cfg,
        section.activation,
        section.num_outs,
    )
    start(fpn)
    return fpn


PART = Part(ConvFpnSection, build)
