"""The models that a config can be written for, and the weights that they start from."""

from pathlib import Path
from typing import Any, NamedTuple

from nanodet.config import read_mapping
from nanodet.errors import NanodetError
from nanodet.files.yaml_text import parse_yaml
from nanodet.init.recipe import PUBLISHED


class Template(NamedTuple):
    """A model to train.

    Attributes:
        arch: ``model.arch`` of the config.
        largest: side of the square that the input's area should not exceed.
        weights: the published model to start from, None if there is none.
    """

    arch: dict[str, Any]
    largest: int = PUBLISHED[1]
    weights: str | None = None


_NANODET_M = """
name: OneStageDetector
backbone: {{name: ShuffleNetV2, model_size: {size}, out_stages: [2, 3, 4], activation: LeakyReLU}}
fpn: {{name: PAN, out_channels: {channels}}}
head: {{name: NanoDetHead, feat_channels: {channels}, stacked_convs: 2, octave_base_scale: 5}}
"""
_NANODET_PLUS_M = """
name: NanoDetPlus
detach_epoch: 10
backbone: {{name: ShuffleNetV2, model_size: {size}, out_stages: [2, 3, 4], activation: LeakyReLU}}
fpn: {{name: GhostPAN, out_channels: {channels}, kernel_size: 5, num_extra_level: 1, use_depthwise: true,
  activation: LeakyReLU}}
head: {{name: NanoDetPlusHead, feat_channels: {channels}}}
aux_head: {{name: SimpleConvHead, feat_channels: {channels}, stacked_convs: 2}}
"""
# name: (arch, width of the backbone, channels, published weights)
MODELS = {
    "nanodet-m": (_NANODET_M, "1.0x", 96, "nanodet-m_320"),
    "nanodet-m-0.5x": (_NANODET_M, "0.5x", 96, None),
    "nanodet-m-1.5x": (_NANODET_M, "1.5x", 128, None),
    "nanodet-plus-m": (_NANODET_PLUS_M, "1.0x", 96, "nanodet-plus-m_320"),
    "nanodet-plus-m-1.5x": (_NANODET_PLUS_M, "1.5x", 128, None),
}
DEFAULT = "nanodet-plus-m"


def template(model: str) -> Template:
    """Return the `Template` of a name in `MODELS`, or of the config file of another model.

    Raises:
        NanodetError: it is neither.
    """
    if model in MODELS:
        text, size, channels, weights = MODELS[model]
        return Template(
            parse_yaml(text.format(size=size, channels=channels), model), weights=weights
        )
    if not Path(model).is_file():
        raise NanodetError(
            f"--model {model}: is none of {', '.join(MODELS)}, and no config file, such as those in config/"
        )
    content = read_mapping(model)
    part = content.get("model")
    arch = part.get("arch") if isinstance(part, dict) else None
    if not isinstance(arch, dict):
        raise NanodetError(f"{model}: model.arch: the config of a model has one")
    if isinstance(head := arch.get("head"), dict):
        arch["head"] = {key: value for key, value in head.items() if key != "num_classes"}
    if isinstance(aux := arch.get("aux_head"), dict):
        arch["aux_head"] = {key: value for key, value in aux.items() if key != "num_classes"}
    try:
        width, height = content["data"]["val"]["input_size"]
        largest = max(PUBLISHED[1], int((width * height) ** 0.5))
    except (KeyError, TypeError, ValueError):
        largest = PUBLISHED[1]
    return Template(arch, largest)
