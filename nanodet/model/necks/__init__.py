"""The necks: feature maps to feature maps."""

from nanodet.model.part import Part

NECKS: dict[str, Part] = {}
