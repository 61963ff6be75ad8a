"""The config of ours that has the architecture of a model file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import nanodet
from nanodet.config import Config, load_config
from nanodet.errors import NanodetError
from nanodet.export.match import fits, possible_plans
from nanodet.model.network import build_network
from nanodet.model.quality import dgqp, scores
from nanodet.ncnn_files.flow import Convolution
from nanodet.ncnn_files.layout import Form
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import Spec

# of an installed package, else of the checkout
CONFIGS = Path(nanodet.__file__).with_name("configs")
if not CONFIGS.is_dir():
    CONFIGS = CONFIGS.parents[1] / "config"


def find_config(
    convolutions: Sequence[Convolution],
    form: Form,
    names: Sequence[str] | None,
    file: str | Path,
    spec: Spec | None = None,
    quality: QualityPredictor | None = None,
) -> tuple[Config, str]:
    """Return the `Config` whose network has the convolutions of a model file, and its path.

    Its classes are the file's, and its input size too where the file was made for one.

    Args:
        convolutions: the file's, in order.
        form: what the file gives.
        names: of its classes, None where they are not known.
        file: names it in messages.
        spec: the file's, None without one.
        quality: the quality predictor of its spec, None without one.

    Raises:
        NanodetError: there is none.
    """
    plans = possible_plans(spec, file)
    candidates = []
    for path in sorted(CONFIGS.rglob("*.yml")):
        try:
            config = load_config(path)
        except NanodetError:  # it needs a package that is not installed
            continue
        if list(config.model.arch.head.strides) != list(form.strides):
            continue
        order = (
            isinstance(config.model.arch.head.quality, dgqp.Section) != (quality is not None),
            tuple(config.data.val.input_size) != form.size,
        )
        candidates.append((order, path, config))
    for _, path, config in sorted(candidates, key=lambda one: one[:2]):
        take_form(config, form, names, quality)
        with torch.device("meta"):
            network = build_network(config.model.arch, str(path)).eval()
        if any(fits(network, convolutions, form, plan) for plan in plans):
            if form.size is not None:
                config.data.val.input_size = list(form.size)
            return config, str(path)
    rewritten = spec is not None and spec.rewriting is not None
    raise NanodetError(
        f"{file}: is {form}, but no config of {CONFIGS} has its {len(convolutions)} convolutions"
        + " rewritten as its spec says" * rewritten
        + ": --config CONFIG, the one it was trained with (a model with group norm, layer norm or "
        "attention cannot be imported)"
    )


def take_class_count(config: Config, count: int) -> None:
    """Give the heads of a config a number of classes, in place."""
    for head in heads(config):
        if hasattr(head, "num_classes"):
            head.num_classes = count


def heads(config: Config) -> list[Any]:
    """Return the sections of the heads of a config."""
    found = (getattr(config.model.arch, name, None) for name in ("head", "aux_head"))
    return [head for head in found if head is not None]


def take_form(
    config: Config,
    form: Form,
    names: Sequence[str] | None,
    quality: QualityPredictor | None = None,
) -> None:
    """Give a config the classes, the bins, the quality and the folded branches of a model file, in place.

    Args:
        config: it keeps its class names where ``names`` are None and it has as many.
        form, names, quality: see `find_config`.
    """
    arch = config.model.arch
    take_class_count(config, form.classes)
    for head in heads(config):
        if hasattr(head, "reg_max"):
            spacing = getattr(getattr(head, "box_code", None), "spacing", 1)
            head.reg_max = round(form.reg_max * spacing)
        if quality is not None:
            head.quality = dgqp.Section(topk=quality.topk, hidden=quality.hidden)
        elif isinstance(getattr(head, "quality", None), dgqp.Section):
            head.quality = scores.JointSection()
    if hasattr(arch.backbone, "deploy"):
        arch.backbone.deploy = True  # what is shipped has its branches folded
    if names is not None:
        config.class_names = list(names)
    elif len(config.class_names or ()) != form.classes:
        config.class_names = None
