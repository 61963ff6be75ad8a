"""The NanoDet head (paper 4.6): per level a tower of convolutions, mostly depthwise separable."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nanodet.config.keys import key, unread
from nanodet.model.blocks import CONVOLUTIONS
from nanodet.model.heads.points import (
    AtssSection,
    BinValues,
    HeadSettings,
    PointHead,
    settings_of,
    start_outputs,
)
from nanodet.model.part import Part


@dataclass
class NanoDetHeadSection(AtssSection):
    name: str = key(
        "NanoDetHead", "separate towers and outputs for each level", known=("NanoDetHead",)
    )
    feat_channels: int = key(96, "channels of the towers (the original's default: 256)", 1, 4096)
    share_cls_reg: bool = key(
        True, "one tower for scores and edges, or one each (the original's default: false)"
    )
    reg_max: int = key(
        7,
        "edges are distributions over 0 to this many strides (the original's default: 16)",
        1,
        256,
    )
    conv_type: str = key(
        "DWConv", "plain or depthwise separable convolutions", known=tuple(CONVOLUTIONS)
    )
    conv_cfg: dict[str, Any] | None = unread("the original does not read it either")


class NanoDetHead(PointHead):
    """Feature maps to logits, see `PointHead`.

    Args:
        settings: see `HeadSettings`.
        share_cls_reg: one tower per level for both branches, or one each.
        conv_type: Conv or DWConv.
    """

    point_offset = 0.5

    def __init__(self, settings: HeadSettings, share_cls_reg: bool, conv_type: str):
        num_classes, channels, strides = settings.num_classes, settings.channels, settings.strides
        super().__init__(num_classes, strides, settings.code, settings.quality)
        self.share_cls_reg = share_cls_reg

        def towers() -> nn.ModuleList:
            return nn.ModuleList(settings.tower(conv_type) for _ in strides)

        self.cls_convs = towers()
        if not share_cls_reg:
            self.reg_convs = towers()
        edges = self.code.channels
        outputs = num_classes + edges if share_cls_reg else num_classes
        self.gfl_cls = nn.ModuleList(nn.Conv2d(channels, outputs, 1) for _ in strides)
        self.gfl_reg = nn.ModuleList(nn.Conv2d(channels, edges, 1) for _ in strides)
        self.distribution_project = BinValues(settings.code)
        start_outputs(self.gfl_cls, num_classes)
        start_outputs(self.gfl_reg)
        self.gfl_quality = self.branches(channels, len(strides))
        levels = range(len(strides))
        if share_cls_reg:
            # original checkpoints contain these weights although a shared tower never uses them
            self.gfl_reg.requires_grad_(False)
            self.unused_layers = ("gfl_reg",)
            self.output_layers = {f"gfl_cls.{i}": ("classes", "edges") for i in levels}
        else:
            self.output_layers = {
                **{f"gfl_cls.{i}": ("classes",) for i in levels},
                **{f"gfl_reg.{i}": ("edges",) for i in levels},
            }
        self.output_layers |= {
            f"gfl_quality.{i}": ("quality",) for i in range(len(self.gfl_quality))
        }

    def level(self, i: int, x: Tensor) -> Tensor:
        tower = self.cls_convs[i](x)
        outputs = [self.gfl_cls[i](tower)]  # of a shared tower also the edges
        if not self.share_cls_reg:
            tower = self.reg_convs[i](x)
            outputs.append(self.gfl_reg[i](tower))
        if self.quality.branch:
            outputs.append(self.gfl_quality[i](tower))
        return torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]


def build(section: NanoDetHeadSection, channels: int, strides: Sequence[int]) -> NanoDetHead:
    settings = settings_of(section, channels, strides)
    return NanoDetHead(settings, section.share_cls_reg, section.conv_type)


PART = Part(NanoDetHeadSection, build)
