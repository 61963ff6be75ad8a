"""The feature pyramid neck (Lin et al., CVPR 2017) in NanoDet's form: no convolutions after the sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from nanodet.config.keys import key, unread
from nanodet.model.blocks import ACTIVATIONS, ConvNorm, convolutions
from nanodet.model.necks.pyramid import NeckSection, check_doubling, resize
from nanodet.model.norms import Norm, check_norm
from nanodet.model.part import Fail, Part


@dataclass
class FpnSection(NeckSection):
    name: str = key("FPN", "a feature pyramid: sums from coarse to fine", known=("FPN",))
    start_level: int = key(0, "`backbone.out_stages` chooses the maps", known=(0,))
    end_level: int = key(-1, "`backbone.out_stages` chooses the maps", known=(-1,))
    num_outs: int | None = key(
        None, "number of maps; default, and only value: that of the backbone (ConvFPN adds levels)"
    )
    activation: str | None = key(
        None, "after the lateral convolutions; none by default", known=tuple(ACTIVATIONS)
    )
    norm_cfg: Norm | None = key(None, "norm after the lateral convolutions; none by default")
    conv_cfg: dict[str, Any] | None = unread("the original does not read it either")

    def check(self, fail: Fail) -> None:
        check_norm(self.norm_cfg, fail, self.out_channels)


class FPN(nn.Module):
    """Lateral convolutions, then the next coarser map, enlarged, is added to each map.

    Args:
        in_channels, strides: of the input maps; each stride is twice the one before.
        out_channels: channels of every output map.
        norm, act: of the lateral convolutions, see `ConvNorm`.

    Attributes:
        mode: how a coarser map is enlarged, see `resize`.

    Shapes: maps (B, in_channels[i], H / 2^i, W / 2^i) to as many (B, out_channels, H / 2^i, W / 2^i).
    """

    mode = "bilinear"

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        out_channels: int,
        norm: Norm | None = None,
        act: str | None = None,
    ):
        super().__init__()
        check_doubling(type(self).__name__, strides)
        self.channels, self.strides = out_channels, tuple(strides)
        self.lateral_convs = nn.ModuleList(
            ConvNorm(channels, out_channels, 1, norm, act) for channels in in_channels
        )

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        levels = [lateral(x) for lateral, x in zip(self.lateral_convs, maps, strict=True)]
        for i in reversed(range(1, len(levels))):
            levels[i - 1] = levels[i - 1] + resize(levels[i], 2.0, self.mode)
        return tuple(levels)


def build(section: FpnSection, channels: Sequence[int], strides: Sequence[int]) -> FPN:
    fpn = FPN(channels, strides, section.out_channels, section.norm_cfg, section.activation)
    start(fpn)
    return fpn


def start(fpn: FPN) -> None:
    """Initialise the convolutions uniformly (Glorot and Bengio 2010), their biases with zeros."""
    for conv in convolutions([fpn]):
        nn.init.xavier_uniform_(conv.weight)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)


PART = Part(FpnSection, build)
