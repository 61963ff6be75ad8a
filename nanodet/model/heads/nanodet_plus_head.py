"""The head of NanoDet-Plus: 5 x 5 depthwise towers, points without offset."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from nanodet.config.keys import key, part
from nanodet.model.blocks import CONVOLUTIONS
from nanodet.model.heads.points import (
    ASSIGNERS,
    BinValues,
    HeadSection,
    Losses,
    PointHead,
    filled,
    start,
    start_outputs,
    tower,
)
from nanodet.model.norms import Norm
from nanodet.model.part import Fail, Part


@dataclass
class NanoDetPlusHeadSection(HeadSection):
    name: str = key(
        "NanoDetPlusHead", "a tower and outputs of its own for each level",
        known=("NanoDetPlusHead",),
    )  # fmt: skip
    reg_max: int = key(7, "edges are distributions over 0 to this many strides", 1, 256)
    kernel_size: int = key(5, "side of the towers' kernels", 1, 31)
    conv_type: str = key(
        "DWConv", "plain or depthwise separable convolutions", known=tuple(CONVOLUTIONS)
    )
    assigner_cfg: Any = part(ASSIGNERS, "DSLA", "what chooses the positives")
    loss: Losses = key(Losses, "the losses")

    def check(self, fail: Fail) -> None:
        super().check(fail)
        if self.kernel_size % 2 == 0:
            fail("kernel_size", f"{self.kernel_size}: must be odd, or maps change their size")


class NanoDetPlusHead(PointHead):
    """Feature maps to logits, see `PointHead`.

    Args:
        num_classes, strides, reg_max: see `PointHead`.
        channels_in: channels of the maps; channels: channels of the towers.
        stacked_convs: convolutions per tower.
        kernel: side of their kernels, odd.
        conv_type: Conv or DWConv.
        norm, act: behind the convolutions of the towers.
    """

    point_offset = 0.0

    def __init__(
        self,
        num_classes: int,
        channels_in: int,
        strides: Sequence[int],
        channels: int,
        stacked_convs: int,
        kernel: int,
        reg_max: int,
        conv_type: str,
        norm: Norm | None,
        act: str,
    ):
        super().__init__(num_classes, strides, reg_max)
        self.cls_convs = nn.ModuleList(
            tower(conv_type, stacked_convs, channels_in, channels, kernel, norm, act)
            for _ in strides
        )
        outputs = num_classes + self.code.channels
        self.gfl_cls = nn.ModuleList(nn.Conv2d(channels, outputs, 1) for _ in strides)
        self.distribution_project = BinValues(reg_max)
        self.output_layers = {
            f"gfl_cls.{i}": ("classes", "edges") for i in range(len(self.strides))
        }
        start(self.cls_convs)
        start_outputs(self.gfl_cls, num_classes)

    def level(self, i: int, x: Tensor) -> Tensor:
        return self.gfl_cls[i](self.cls_convs[i](x))


def build(
    section: NanoDetPlusHeadSection, channels: int, strides: Sequence[int]
) -> NanoDetPlusHead:
    return NanoDetPlusHead(
        num_classes=filled(section.num_classes),
        channels_in=channels,
        strides=strides,
        channels=section.feat_channels,
        stacked_convs=section.stacked_convs,
        kernel=section.kernel_size,
        reg_max=section.reg_max,
        conv_type=section.conv_type,
        norm=section.norm_cfg,
        act=section.activation,
    )


PART = Part(NanoDetPlusHeadSection, build)
