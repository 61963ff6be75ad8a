"""The smallest architecture that is built like NanoDet-m."""

from nanodet.config.build import build
from nanodet.config.model_sections import Model


def arch(size="0.5x", channels=(48, 96, 192), **head):
    """Return a fresh ``model.arch`` with 3 classes."""
    mapping = {
        "backbone": {"name": "ShuffleNetV2", "model_size": size, "pretrain": False},
        "fpn": {"name": "PAN", "in_channels": list(channels), "out_channels": 96},
        "head": {"name": "NanoDetHead", "num_classes": 3} | head,
    }
    return build(Model, {"arch": mapping}, "config").arch
