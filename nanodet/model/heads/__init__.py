"""The heads: feature maps to class scores and edges."""

from nanodet.model.part import Part

HEADS: dict[str, Part] = {}
