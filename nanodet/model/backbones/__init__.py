"""The backbones: an image to feature maps."""

from nanodet.model.backbones import (
    custom_csp,
    efficientnet_lite,
    ghostnet,
    mobilenetv2,
    repvgg,
    resnet,
    shufflenetv2,
    timm_wrapper,
)
from nanodet.model.part import Part

BACKBONES: dict[str, Part] = {
    "ShuffleNetV2": shufflenetv2.PART,
    "EfficientNetLite": efficientnet_lite.PART,
    "RepVGG": repvgg.PART,
    "GhostNet": ghostnet.PART,
    "MobileNetV2": mobilenetv2.PART,
    "CustomCspNet": custom_csp.PART,
    "ResNet": resnet.PART,
    "TIMMWrapper": timm_wrapper.PART,
}
