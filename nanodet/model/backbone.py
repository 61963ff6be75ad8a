"""The old place of `nanodet.model.backbones.shufflenetv2`."""

from nanodet.model.backbones.shufflenetv2 import ShuffleNetV2

__all__ = ["ShuffleNetV2"]
