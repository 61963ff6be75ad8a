"""The auxiliary head of NanoDet-Plus: two towers and outputs that all levels share."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nanodet.config.keys import key, part, unread
from nanodet.model.heads.points import (
    HeadSection,
    HeadSettings,
    PointHead,
    settings_of,
    start,
    start_outputs,
)
from nanodet.model.norms import Norm
from nanodet.model.part import Part


@dataclass
class SimpleConvHeadSection(HeadSection):
    """Without losses: an auxiliary head uses those of the main head."""

    name: str = key(
        "SimpleConvHead", "towers and outputs that the levels share; auxiliary",
        known=("SimpleConvHead",),
    )  # fmt: skip
    feat_channels: int = key(256, "channels of the towers", 1, 4096)
    stacked_convs: int = key(4, "convolutions in a tower", 0, 64)
    reg_max: int | None = key(None, "default: that of the head", 1, 256)
    box_code: Any = part("nanodet.model.box_codes:BOX_CODES", None, "default: that of the head")
    quality: Any = part("nanodet.model.quality:QUALITIES", None, "default: that of the head")
    norm_cfg: Norm | None = key(lambda: Norm(type="GN"), "norm of the towers")
    conv_cfg: dict[str, Any] | None = unread("the original does not read it either")


class Scale(nn.Module):
    """A learned factor."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class SimpleConvHead(PointHead):
    """Feature maps to logits, see `PointHead`; each level has a separate factor for its edges.

    Args:
        settings: see `HeadSettings`.
    """

    point_offset = 0.0  # of NanoDet-Plus, the one detector that has this head

    def __init__(self, settings: HeadSettings):
        num_classes, channels, strides = settings.num_classes, settings.channels, settings.strides
        super().__init__(num_classes, strides, settings.code, settings.quality)
        self.cls_convs, self.reg_convs = settings.tower("Conv"), settings.tower("Conv")
        self.gfl_cls = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.gfl_reg: nn.Module = nn.Conv2d(channels, self.code.channels, 3, padding=1)
        self.scales = nn.ModuleList(Scale() for _ in strides)
        start(self.cls_convs, self.reg_convs)
        start_outputs(self.gfl_cls, num_classes)
        start_outputs(self.gfl_reg)
        self.gfl_quality = self.branches(channels, 1, 3)
        self.output_layers = {"gfl_cls": ("classes",), "gfl_reg": ("edges",)}
        if self.quality.branch:
            self.output_layers["gfl_quality.0"] = ("quality",)

    def level(self, i: int, x: Tensor) -> Tensor:
        tower = self.reg_convs(x)
        outputs = [self.gfl_cls(self.cls_convs(x)), self.scales[i](self.gfl_reg(tower))]
        return torch.cat(outputs + [conv(tower) for conv in self.gfl_quality], dim=1)

    def deployed(self) -> "SimpleConvHead":
        """Return the head, changed in place: each level has a convolution that includes its factor."""
        scaled = nn.ModuleList(copy.deepcopy(self.gfl_reg) for _ in self.scales)
        with torch.no_grad():
            for conv, factor in zip(scaled, self.scales.parameters(), strict=True):
                for parameter in conv.parameters():
                    parameter.mul_(factor)
        self.gfl_reg, self.scales = nn.Identity(), scaled
        return self


def build(section: SimpleConvHeadSection, channels: int, strides: Sequence[int]) -> SimpleConvHead:
    return SimpleConvHead(settings_of(section, channels, strides))


PART = Part(SimpleConvHeadSection, build)
