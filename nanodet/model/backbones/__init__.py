"""The backbones: an image to feature maps."""

from nanodet.model.backbones import (
    efficientnet_lite,
    ghostnet,
    mobilenetv2,
    repvgg,
    resnet,
    shufflenetv2,
)
from nanodet.model.part import Part

BACKBONES: dict[str, Part] = {
    "ShuffleNetV2": shufflenetv2.PART,
    "EfficientNetLite": efficientnet_lite.PART,
    "RepVGG": repvgg.PART,
    "GhostNet": ghostnet.PART,
    "MobileNetV2": mobilenetv2.PART,
    "ResNet": resnet.PART,
}
