"""The backbones: an image to feature maps."""

from nanodet.model.part import Part

BACKBONES: dict[str, Part] = {}
