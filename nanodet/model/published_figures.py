"""Cost and AP of the original's models on COCO's 80 classes, as published in its README."""

from typing import Any, NamedTuple

CLASSES = 80


class Figures(NamedTuple):
    """Published figures of one model.

    Attributes:
        name: the original's.
        parameters: millions.
        flops: GFLOPs as its authors counted them.
        ap: on COCO val2017.
    """

    name: str
    parameters: float
    flops: float
    ap: float


# (backbone, its size, neck, side of the input)
_FIGURES = {
    ("ShuffleNetV2", "0.5x", "PAN", 320): Figures("NanoDet-m-0.5x", 0.28, 0.3, 13.5),
    ("ShuffleNetV2", "1.0x", "PAN", 320): Figures("NanoDet-m", 0.95, 0.72, 20.6),
    ("ShuffleNetV2", "1.0x", "PAN", 416): Figures("NanoDet-m-416", 0.95, 1.2, 23.5),
    ("ShuffleNetV2", "1.5x", "PAN", 320): Figures("NanoDet-m-1.5x", 2.08, 1.44, 23.5),
    ("ShuffleNetV2", "1.5x", "PAN", 416): Figures("NanoDet-m-1.5x-416", 2.08, 2.42, 26.8),
    ("ShuffleNetV2", "1.0x", "TAN", 320): Figures("NanoDet-t", 1.36, 0.96, 21.7),
    ("ShuffleNetV2", "1.0x", "GhostPAN", 320): Figures("NanoDet-Plus-m-320", 1.17, 0.9, 27.0),
    ("ShuffleNetV2", "1.0x", "GhostPAN", 416): Figures("NanoDet-Plus-m-416", 1.17, 1.52, 30.4),
    ("ShuffleNetV2", "1.5x", "GhostPAN", 320): Figures("NanoDet-Plus-m-1.5x-320", 2.44, 1.75, 29.9),
    ("ShuffleNetV2", "1.5x", "GhostPAN", 416): Figures("NanoDet-Plus-m-1.5x-416", 2.44, 2.97, 34.1),
    ("CustomCspNet", None, "PAN", 416): Figures("NanoDet-g", 3.81, 4.2, 22.9),
    ("EfficientNetLite", "efficientnet_lite0", "PAN", 320): Figures(
        "NanoDet-EfficientLite0", 3.11, 1.72, 24.7
    ),
    ("EfficientNetLite", "efficientnet_lite1", "PAN", 416): Figures(
        "NanoDet-EfficientLite1", 4.01, 4.06, 30.3
    ),
    ("EfficientNetLite", "efficientnet_lite2", "PAN", 512): Figures(
        "NanoDet-EfficientLite2", 4.71, 7.12, 32.6
    ),
    ("RepVGG", "A0", "PAN", 416): Figures("NanoDet-RepVGG", 6.75, 11.3, 27.8),
}
_SIZES = ("model_size", "model_name", "arch")  # keys of backbones


def published_figures(arch: Any, input_size: tuple[int, int]) -> Figures | None:
    """Return the figures of the published model that a config describes, None if there is none.

    Args:
        arch: the config's ``model.arch``.
        input_size: (width, height) of the network's input.
    """
    width, height = input_size
    if width != height or arch.head.num_classes != CLASSES:
        return None
    size = next(
        (getattr(arch.backbone, key) for key in _SIZES if hasattr(arch.backbone, key)), None
    )
    return _FIGURES.get((arch.backbone.name, size, arch.fpn.name, width))
