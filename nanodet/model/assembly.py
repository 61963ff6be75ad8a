"""Builds the modules of a detector from the sections of its parts, each fitted to the one before."""

from collections.abc import Mapping, Sequence
from typing import Any

from nanodet.config.follow import agree, check_section
from nanodet.errors import NanodetError
from nanodet.model.backbones import BACKBONES
from nanodet.model.heads import HEADS
from nanodet.model.necks import NECKS
from nanodet.model.part import Backbone, Fail, Neck, Part, on_meta
from nanodet.runtime.fit import ALIGNMENT


def assemble(arch: Any) -> tuple[Any, Any, Any]:
    """Build the backbone, the neck and the head of a detector's section, with new random weights."""
    backbone = build_backbone(arch.backbone)
    neck = build_neck(arch.fpn, backbone)
    return backbone, neck, build_head(arch.head, neck.channels, neck.strides)


def build_backbone(section: Any) -> Any:
    """Build a backbone (`nanodet.model.part.Backbone`)."""
    return BACKBONES[section.name].build(section)


def build_neck(section: Any, backbone: Backbone) -> Any:
    """Build a neck (`nanodet.model.part.Neck`) for the maps of a backbone."""
    return NECKS[section.name].build(section, backbone.channels, backbone.strides)


def build_head(
    section: Any, channels: int, strides: Sequence[int], table: Mapping[str, Part] = HEADS
) -> Any:
    """Build a head (`nanodet.model.part.Head`) for maps of ``channels``, one for each of ``strides``."""
    return table[section.name].build(section, channels, strides)


def follow_parts(arch: Any, fail: Fail) -> Neck:
    """Check the sections of backbone, neck and head, and fill in what follows from the part before.

    Args:
        arch: the section of a detector, changed in place.
        fail: called with key and reason if a value cannot work, or differs from what follows.

    Returns:
        the neck, without weights: it has the channels and strides of its maps.
    """
    check_section(arch.backbone, "backbone", fail)
    backbone = on_meta(build_backbone, arch.backbone)
    largest = max(backbone.strides)
    if largest > ALIGNMENT:  # maps of other input sides would not fit when they are joined
        fail(
            "backbone",
            f"its last map has stride {largest}, but inputs are multiples of {ALIGNMENT}",
        )
    given = list(backbone.channels)
    agree(arch.fpn, "in_channels", given, "fpn", f"the backbone gives {given}", fail)
    check_section(arch.fpn, "fpn", fail)
    try:
        neck = on_meta(build_neck, arch.fpn, backbone)
    except NanodetError as error:  # maps that this neck cannot join
        fail("fpn", str(error))
    count = len(neck.strides)
    agree(arch.fpn, "num_outs", count, "fpn", f"it gives {count} maps", fail)
    follow_head(arch.head, "head", neck.channels, neck.strides, fail)
    return neck


def follow_head(section: Any, name: str, channels: int, strides: Sequence[int], fail: Fail) -> None:
    """Check the section ``name`` of a head, and fill in what follows from the maps that it gets."""
    agree(section, "input_channel", channels, name, f"its maps have {channels} channels", fail)
    given = list(strides)
    agree(section, "strides", given, name, f"its maps have strides {given}", fail)
    section.strides = given  # a section without this key gets it, too
    check_section(section, name, fail)
