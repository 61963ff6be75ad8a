"""The weights that a training starts from: given ones, published ones, or those of ImageNet."""

from pathlib import Path
from typing import Any, NamedTuple

from nanodet.config.build import build
from nanodet.config.model_sections import Model
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.hub.models import fetch_model
from nanodet.init.models import Template
from nanodet.model.backbones import BACKBONES
from nanodet.model.checkpoint import read_checkpoint
from nanodet.model.pretrained import fetch
from nanodet.text import Say

TIMEOUT_S = 10.0  # for the connection to where weights are published


class Start(NamedTuple):
    """What a training starts from.

    Attributes:
        arch: ``model.arch``.
        load_model: ``schedule.load_model``, None for ImageNet or random weights.
        line: on the weights.
        normalize: ``normalize`` of the pipelines with which the weights were trained, or that of the model;
            None for the default.
    """

    arch: dict[str, Any]
    load_model: str | None
    line: str
    normalize: list[list[float]] | None = None


def start_of(weights: StrPath | None, template: Template, say: Say) -> Start:
    """Choose the weights to start from, and download those that are published.

    Args:
        weights: checkpoint or published name that the user gives.
        template: the model.
        say: gets a line for each download that fails.
    """
    if weights is not None:
        line = f"weights of {weights}"
        return Start(
            template.arch, str(weights), line, _normalize_of(weights) or template.normalize
        )
    return _without_given(template, say)._replace(normalize=template.normalize)


def _normalize_of(weights: StrPath) -> list[list[float]] | None:
    """Return ``normalize`` of a checkpoint's config, None if it has none."""
    if not Path(weights).is_file():
        return None
    try:
        config = read_checkpoint(weights).config
    except NanodetError:  # a model to import, or a file that the training refuses
        return None
    return None if config is None else config.data.val.pipeline.normalize


def _without_given(template: Template, say: Say) -> Start:
    """Choose published weights, or those of the backbone."""
    arch, published = template.arch, template.weights
    why = "no weights of this model are published"
    if published is not None:
        try:
            fetch_model(published, TIMEOUT_S)
            line = "published weights, trained on COCO; classes are matched by name"
            return Start(arch, published, line)
        except NanodetError as error:
            say(str(error))
            why = f"{published} could not be downloaded"
    return _of_backbone(arch, why, say)


def _of_backbone(arch: dict[str, Any], why: str, say: Say) -> Start:
    """Choose among the weights of the backbone alone; ``why``: there are none of the whole model."""
    section = build(Model, {"arch": arch}, "model", "model").arch.backbone
    wanted, find = getattr(section, "pretrain", False), BACKBONES[section.name].pretrained
    imagenet = find(section) if find else None
    if isinstance(wanted, str):
        return Start(arch, None, f"weights of {wanted} for the backbone: {why}")
    if not wanted or (find and imagenet is None):
        return Start(arch, None, f"random weights: {why}, and its backbone takes none of ImageNet")
    if imagenet is not None:  # otherwise the backbone's library downloads them
        try:
            fetch(imagenet, "ImageNet weights")
        except NanodetError as error:
            say(f"warning: {error}: the training starts from random weights, which is much worse")
            arch = {**arch, "backbone": {**arch.get("backbone", {}), "pretrain": False}}
            line = "random weights, as no others could be downloaded: much worse than load_model"
            return Start(arch, None, line)
    return Start(arch, None, f"ImageNet weights for the backbone: {why}")
