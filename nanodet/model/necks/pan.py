"""The path aggregation neck of NanoDet: lateral convolutions, then interpolation and sums only."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nanodet.config.keys import key
from nanodet.model.necks.fpn import FPN, FpnSection
from nanodet.model.necks.pyramid import resize
from nanodet.model.part import Part


@dataclass
class PanSection(FpnSection):
    name: str = key("PAN", "path aggregation: sums from coarse to fine and back", known=("PAN",))


class PAN(FPN):
    """An `FPN`, after which the next finer map is added to each map (paper 4.6; PAN: Liu et al. 2018)."""

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        levels = list(super().forward(maps))
        for i in range(1, len(levels)):
            levels[i] = levels[i] + resize(levels[i - 1], 0.5)
        return tuple(levels)


def build(section: PanSection, channels: Sequence[int], strides: Sequence[int]) -> PAN:
    return PAN(channels, strides, section.out_channels, section.norm_cfg, section.activation)


PART = Part(PanSection, build)
