"""The backbones: an image to feature maps."""

from nanodet.model.backbones import shufflenetv2
from nanodet.model.part import Part

BACKBONES: dict[str, Part] = {
    "ShuffleNetV2": shufflenetv2.PART,
}
