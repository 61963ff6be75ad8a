"""Shared by the heads: the common keys of their sections, and joining levels into one list of points."""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nanodet.config.follow import check_section
from nanodet.config.keys import REQUIRED, default_of, key, part, sections
from nanodet.errors import NanodetError
from nanodet.model.blocks import ACTIVATIONS, CONVOLUTIONS, convolutions
from nanodet.model.box_codes import BOX_CODES
from nanodet.model.norms import Norm, check_norm
from nanodet.model.part import BoxCode, Fail, on_meta
from nanodet.model.quality import QUALITIES
from nanodet.model.quality.scores import ClassScores

ASSIGNERS = "nanodet.learn.assigners:ASSIGNERS"
PRIOR = 0.01  # initial score of every class, so that the background does not dominate QFL


@dataclass
class HeadSection:
    """The keys of ``model.arch.head`` that every head has."""

    name: str = key(REQUIRED, "the head")
    num_classes: int | None = key(
        None, "number of classes; by default taken from `class_names`, or from the data",
        1, 65536,
    )  # fmt: skip
    input_channel: int | None = key(
        None, "channels of the neck's maps; by default taken from the neck"
    )
    feat_channels: int = key(96, "channels of the towers", 1, 4096)
    stacked_convs: int = key(2, "convolutions in a tower", 0, 64)
    strides: list[int] | None = key(
        None, "pixels between points of each level; by default taken from the neck"
    )
    box_code: Any = part(
        "nanodet.model.box_codes:BOX_CODES", "General", "how the edges of a box are encoded"
    )
    quality: Any = part(
        "nanodet.model.quality:QUALITIES", "Joint", "how scores say how well their box fits"
    )
    norm_cfg: Norm | None = key(lambda: Norm(type="BN"), "norm of the towers")
    activation: str = key(
        "LeakyReLU", "after the convolutions of the towers", known=tuple(ACTIVATIONS)
    )

    def check(self, fail: Fail) -> None:
        if self.norm_cfg is None:
            fail("norm_cfg", "null is not supported; known: {type: BN}, {type: GN}")
        given = self.input_channel
        if self.stacked_convs == 0 and given not in (None, self.feat_channels):
            fail(
                "feat_channels", f"must equal the channels of the maps, {given}: stacked_convs is 0"
            )
        depthwise = getattr(self, "conv_type", None) == "DWConv" and given is not None
        channels = (self.feat_channels, given) if depthwise else (self.feat_channels,)
        check_norm(self.norm_cfg, fail, *channels)
        reg_max = getattr(self, "reg_max", None)
        if reg_max and hasattr(self.box_code, "check_reg_max"):
            self.box_code.check_reg_max(reg_max, fail)
        for below, _, value in sections(self):
            check_section(value, below, fail)
        if None not in (self.box_code, self.quality):
            code = build_code(self)
            try:
                on_meta(QUALITIES[self.quality.name].build, self.quality, code)
            except NanodetError as error:
                fail("quality", str(error))

    def refuse_without_effect(self, fail: Fail) -> None:
        for name in ("activation", "norm_cfg") if self.stacked_convs == 0 else ():
            if self.differs(name):
                fail(name, "has no effect, because stacked_convs is 0: remove it")

    def differs(self, name: str) -> bool:
        """Return whether the key ``name`` differs from its default."""
        return getattr(self, name) != default_of(type(self).__dataclass_fields__[name])


@dataclass
class Losses:
    """A config's ``loss``."""

    loss_qfl: Any = part(
        "nanodet.learn.losses:SCORE_LOSSES", "QualityFocalLoss", "the loss of the scores"
    )
    loss_dfl: Any = part(
        "nanodet.learn.losses:EDGE_LOSSES", "DistributionFocalLoss",
        "the loss of the edges; null: none", optional=True,
    )  # fmt: skip
    loss_bbox: Any = part(
        "nanodet.learn.losses:BOX_LOSSES", "GIoULoss", "the loss of the boxes; null: none",
        optional=True,
    )  # fmt: skip


@dataclass
class AtssSection(HeadSection):
    """The keys of heads that use ATSS by default."""

    octave_base_scale: int = key(
        5, "side of a point's cell in strides, for the assignment", 1, 1024
    )
    scales_per_octave: int = key(1, "cells of a point", known=(1,))
    ignore_iof_thr: float = key(
        0.5,
        "a point whose cell lies in an ignored region (crowd, difficult) by more than this fraction "
        "is not trained; -1: such regions are background, the original's default",
        -1, 1,
    )  # fmt: skip
    assigner_cfg: Any = part(
        ASSIGNERS,
        None,
        "how positives are chosen; default: ATSS with octave_base_scale and ignore_iof_thr",
    )
    loss: Losses = key(Losses, "the losses")

    def refuse_without_effect(self, fail: Fail) -> None:
        super().refuse_without_effect(fail)
        for name in ("octave_base_scale", "ignore_iof_thr") if self.assigner_cfg else ():
            if self.differs(name):
                fail(name, "has no effect, because assigner_cfg is given: remove it")


class HeadSettings(NamedTuple):
    """The settings shared by all heads that have towers.

    Attributes:
        num_classes: number of classes C.
        channels_in: channels of the maps.
        strides: network pixels per point of each level.
        channels: channels of the towers.
        stacked_convs: convolutions per tower.
        code: how edges are encoded.
        norm, act: after the convolutions of the towers.
        quality: how scores say how well their box fits.
    """

    num_classes: int
    channels_in: int
    strides: tuple[int, ...]
    channels: int
    stacked_convs: int
    code: BoxCode
    norm: Norm | None
    act: str
    quality: Any = None

    def tower(self, conv_type: str, kernel: int = 3) -> nn.Sequential:
        """Return a sequence of convolutions of the kind ``conv_type``: channels_in to channels."""
        sides = [self.channels_in] + [self.channels] * self.stacked_convs
        kind = CONVOLUTIONS[conv_type]
        return nn.Sequential(
            *(kind(i, o, kernel, self.norm, self.act) for i, o in itertools.pairwise(sides))
        )


def settings_of(section: Any, channels: int, strides: Sequence[int]) -> HeadSettings:
    """Return the settings in a head's complete section, for maps of ``channels`` and ``strides``.

    Raises:
        ValueError: a key that follows from another is not filled in.
    """
    if None in (section.num_classes, section.reg_max, section.box_code, section.quality):
        raise ValueError("keys that follow from others are not filled in")
    code = build_code(section)
    return HeadSettings(
        num_classes=section.num_classes,
        channels_in=channels,
        strides=tuple(strides),
        channels=section.feat_channels,
        stacked_convs=section.stacked_convs,
        code=code,
        norm=section.norm_cfg,
        act=section.activation,
        quality=QUALITIES[section.quality.name].build(section.quality, code),
    )


def build_code(section: Any) -> BoxCode:
    """Return the box code of a head's section."""
    return BOX_CODES[section.box_code.name].build(section.box_code, section.reg_max)


class PointHead(nn.Module, ABC):
    """A head that outputs class logits, then edges, then maybe a branch, for every point of every level.

    Subclasses define `level`, and set ``output_layers`` and ``unused_layers``.

    Args:
        num_classes: number of classes C.
        strides: network pixels per point of each level.
        code: how edges are encoded.
        quality: how scores say how well their box fits; None: the scores learn it.

    Shapes: maps (B, channels, H_i, W_i) to (B, sum of H_i W_i, C + code.channels), class logits and
    values of the edges, levels in the order of ``strides``, points row by row; with a branch of quality
    one channel more, its logits.
    """

    point_offset: float
    output_layers: Mapping[str, tuple[str, ...]]
    unused_layers: tuple[str, ...] = ()

    def __init__(
        self, num_classes: int, strides: Sequence[int], code: BoxCode, quality: Any = None
    ):
        super().__init__()
        self.num_classes, self.strides, self.code = num_classes, tuple(strides), code
        self.quality = quality or ClassScores(joint=True)

    @abstractmethod
    def level(self, i: int, x: Tensor) -> Tensor:
        """Return (B, C + code.channels, or one more, H, W) of the map of level ``i``."""

    def levels(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return `level` of each map."""
        return tuple(self.level(i, x) for i, x in enumerate(maps))

    def forward(self, maps: tuple[Tensor, ...]) -> Tensor:
        if self.training:  # rows as convolutions leave them in channels_last, not turned twice
            return torch.cat(
                [x.permute(0, 2, 3, 1).flatten(1, 2) for x in self.levels(maps)], dim=1
            )
        return torch.cat([x.flatten(2) for x in self.levels(maps)], dim=2).transpose(1, 2)

    def training_rows(self, output: Tensor) -> Tensor:
        """Return an output of `forward` with the quality logits that its edges give, if they do."""
        edges = output[..., self.num_classes : self.num_classes + self.code.channels]
        quality = self.quality(edges)
        return output if quality is None else torch.cat((output, quality), dim=-1)

    def branches(self, channels: int, count: int, kernel: int = 1) -> nn.ModuleList:
        """Return ``count`` output convolutions of the quality's branch; none if it has no branch."""
        count = count if self.quality.branch else 0
        convs = (nn.Conv2d(channels, 1, kernel, padding=kernel // 2) for _ in range(count))
        found = nn.ModuleList(convs)
        start_outputs(found)
        return found


class BinValues(nn.Module):
    """Holds the values of the bins, 0..reg_max, under the name used in checkpoints.

    For a code without bins: as many numbers as it has values per edge. Of another code or spacing, they
    tell that the edges of a checkpoint are.
    """

    def __init__(self, code: BoxCode):
        super().__init__()
        self.register_buffer("project", torch.linspace(0, code.reg_max, code.channels // 4))


def start(*modules: nn.Module) -> None:
    """Initialise the convolutions inside modules as the original does: near zero."""
    for conv in convolutions(modules):
        nn.init.normal_(conv.weight, std=0.01)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)


def start_outputs(module: nn.Module, num_classes: int = 0) -> None:
    """Initialise output convolutions: the first ``num_classes`` rows to `PRIOR`, the edges uniformly."""
    start(module)
    for conv in convolutions([module]):
        if conv.bias is not None:
            nn.init.constant_(conv.bias[:num_classes], -math.log((1 - PRIOR) / PRIOR))
