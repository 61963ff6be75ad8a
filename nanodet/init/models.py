"""The models that a config can be written for, and the weights that they start from."""

import math
from pathlib import Path
from typing import Any, NamedTuple

from nanodet.config import load_config, read_mapping
from nanodet.config.build import build
from nanodet.config.fixed_size import fixed_size
from nanodet.config.model_sections import Model
from nanodet.errors import NanodetError
from nanodet.files.yaml_text import parse_yaml
from nanodet.hub.catalogue import CATALOGUE
from nanodet.init.recipe import PUBLISHED
from nanodet.runtime.fit import Size


class Template(NamedTuple):
    """A model to train.

    Attributes:
        arch: ``model.arch`` of the config.
        largest: side of the square that the input's area should not exceed.
        weights: the published model to start from, None if there is none.
        size: the only input (width, height) that it takes, None if it takes all.
        normalize: ``normalize`` of its pipelines, None for the default.
    """

    arch: dict[str, Any]
    largest: int = PUBLISHED[1]
    weights: str | None = None
    size: Size | None = None
    normalize: list[list[float]] | None = None


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
    if not content.keys() & {"model", "data"}:
        raise NanodetError(f"--model {model}: is no config: it has no 'model'")
    part = build(Model, content.get("model") or {}, model, "model")  # checks it
    arch = (content.get("model") or {}).get("arch") or {}
    arch = {
        key: {name: one for name, one in value.items() if name != "num_classes"}
        if isinstance(value, dict)
        else value
        for key, value in arch.items()
    }
    if "data" not in content:
        return Template(arch or template("nanodet-m").arch, weights=_published(part.arch))
    config = load_config(model)
    width, height = config.data.val.input_size
    return Template(
        arch or template("nanodet-m").arch,
        max(PUBLISHED[1], math.isqrt(width * height)),
        _published(part.arch),
        fixed_size(config.model.arch),
        config.data.val.pipeline.normalize,
    )


def _published(arch: Any) -> str | None:
    """Return the published model whose backbone, neck and head have these widths, None if there is none."""
    for one in CATALOGUE.values():
        if _widths(build(Model, {"arch": one.arch}, one.name).arch) == _widths(arch):
            return one.name
    return None


def _widths(arch: Any) -> tuple[Any, ...]:
    parts = (arch.backbone, "model_size"), (arch.fpn, "out_channels"), (arch.head, "feat_channels")
    return tuple((part.name, getattr(part, width, None)) for part, width in parts)
