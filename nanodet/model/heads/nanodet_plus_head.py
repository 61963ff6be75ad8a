"""The head of NanoDet-Plus: 5 x 5 depthwise towers, points without offset."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nanodet.config.keys import key, part
from nanodet.model.blocks import CONVOLUTIONS
from nanodet.model.heads.points import (
    ASSIGNERS,
    BinValues,
    HeadSection,
    HeadSettings,
    Losses,
    PointHead,
    settings_of,
    start,
    start_outputs,
)
from nanodet.model.part import Fail, Part


@dataclass
class NanoDetPlusHeadSection(HeadSection):
    name: str = key(
        "NanoDetPlusHead", "a separate tower and outputs for each level",
        known=("NanoDetPlusHead",),
    )  # fmt: skip
    reg_max: int = key(7, "edges are distributions over 0 to this many strides", 1, 256)
    kernel_size: int = key(5, "side of the towers' kernels", 1, 31)
    conv_type: str = key(
        "DWConv", "plain or depthwise separable convolutions", known=tuple(CONVOLUTIONS)
    )
    assigner_cfg: Any = part(ASSIGNERS, "DSLA", "how positives are chosen")
    loss: Losses = key(Losses, "the losses")

    def check(self, fail: Fail) -> None:
        super().check(fail)
        if self.kernel_size % 2 == 0:
            fail(
                "kernel_size", f"{self.kernel_size}: must be odd, otherwise maps change their size"
            )


class NanoDetPlusHead(PointHead):
    """Feature maps to logits, see `PointHead`.

    Args:
        settings: see `HeadSettings`.
        kernel: side of their kernels, odd.
        conv_type: Conv or DWConv.
    """

    point_offset = 0.0

    def __init__(self, settings: HeadSettings, kernel: int, conv_type: str):
        num_classes, strides = settings.num_classes, settings.strides
        super().__init__(num_classes, strides, settings.code, settings.quality)
        self.cls_convs = nn.ModuleList(settings.tower(conv_type, kernel) for _ in strides)
        outputs = num_classes + self.code.channels
        self.gfl_cls = nn.ModuleList(nn.Conv2d(settings.channels, outputs, 1) for _ in strides)
        self.distribution_project = BinValues(settings.code)
        self.output_layers = {f"gfl_cls.{i}": ("classes", "edges") for i in range(len(strides))}
        start(self.cls_convs)
        start_outputs(self.gfl_cls, num_classes)
        self.gfl_quality = self.branches(settings.channels, len(strides))
        self.output_layers |= {
            f"gfl_quality.{i}": ("quality",) for i in range(len(self.gfl_quality))
        }

    def level(self, i: int, x: Tensor) -> Tensor:
        tower = self.cls_convs[i](x)
        outputs = self.gfl_cls[i](tower)
        if not self.quality.branch:
            return outputs
        return torch.cat((outputs, self.gfl_quality[i](tower)), dim=1)


def build(
    section: NanoDetPlusHeadSection, channels: int, strides: Sequence[int]
) -> NanoDetPlusHead:
    settings = settings_of(section, channels, strides)
    return NanoDetPlusHead(settings, section.kernel_size, section.conv_type)


PART = Part(NanoDetPlusHeadSection, build)
