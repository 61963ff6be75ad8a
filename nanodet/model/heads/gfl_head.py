"""The head of Generalized Focal Loss (Li et al., NeurIPS 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nanodet.config.keys import key, unread
from nanodet.model.heads.points import AtssSection, BinValues, HeadSettings, settings_of
from nanodet.model.heads.simple_conv_head import SimpleConvHead
from nanodet.model.norms import Norm
from nanodet.model.part import Part


@dataclass
class GflHeadSection(AtssSection):
    name: str = key("GFLHead", "towers and outputs that the levels share", known=("GFLHead",))
    feat_channels: int = key(256, "channels of the towers", 1, 4096)
    stacked_convs: int = key(4, "convolutions in a tower", 0, 64)
    octave_base_scale: int = key(
        4, "side of a point's cell in strides, for the assignment", 1, 1024
    )
    reg_max: int = key(16, "edges are distributions over 0 to this many strides", 1, 256)
    norm_cfg: Norm | None = key(lambda: Norm(type="GN"), "norm of the towers")
    activation: str = key("ReLU", "after the convolutions of the towers", known=("ReLU",))
    conv_cfg: dict[str, Any] | None = unread("the original does not read it either")


class GFLHead(SimpleConvHead):
    """Like `SimpleConvHead`, with points in the middle of their cells."""

    point_offset = 0.5

    def __init__(self, settings: HeadSettings):
        super().__init__(settings)
        self.distribution_project = BinValues(settings.code)


def build(section: GflHeadSection, channels: int, strides: Sequence[int]) -> GFLHead:
    return GFLHead(settings_of(section, channels, strides))


PART = Part(GflHeadSection, build)
