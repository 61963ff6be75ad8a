"""The smallest architecture that is built like NanoDet-m."""

from nanodet.config.model_sections import Arch, Backbone, Fpn, Head


def arch(size="0.5x", channels=(48, 96, 192), **head):
    """Return a fresh ``model.arch`` with 3 classes."""
    return Arch(
        backbone=Backbone(name="ShuffleNetV2", model_size=size, pretrain=False),
        fpn=Fpn(name="PAN", in_channels=list(channels), out_channels=96),
        head=Head(name="NanoDetHead", num_classes=3, **head),
    )
