"""Builds the network of a config, and selects the parts of it that are shipped."""

import copy
from typing import Any

from torch import nn

from nanodet.config.check import check_values, failing
from nanodet.config.follow import check_section
from nanodet.model.detectors import DETECTORS
from nanodet.model.part import on_meta

MOST_PARAMETERS = 500_000_000  # 2 GB; the largest ResNet has 60 million


def build_network(arch: Any, file: str = "config") -> Any:
    """Build a detector with new random weights.

    Args:
        arch: the config's ``model.arch``, the section of a detector (`nanodet.model.detectors`); what
            follows from other keys is filled in.
        file: names the config in messages.

    Returns:
        a module such as `nanodet.model.detectors.one_stage.OneStageDetector`.

    Raises:
        NanodetError: a setting that cannot work.
    """
    fail = failing(file)
    check_values(arch, fail, "model.arch.")
    check_section(arch, "model.arch", fail)
    if arch.head.num_classes is None:
        fail(
            "model.arch.head.num_classes",
            "neither this nor class_names is given, and only training takes them from the data",
        )
    count = sum(p.numel() for p in on_meta(DETECTORS[arch.name].build, arch).parameters())
    if count > MOST_PARAMETERS:
        fail(
            "model.arch",
            f"has {count:,} parameters, more than {MOST_PARAMETERS:,}: lower the channels or the depth",
        )
    return DETECTORS[arch.name].build(arch)


def deployed(network: Any) -> Any:
    """Return a copy of a network without the parts that only training needs.

    Auxiliary parts are removed, and a module with a method ``deployed`` is replaced by what it
    returns, such as a block of RepVGG by its single convolution.
    """
    network = copy.deepcopy(network)
    for name in network.auxiliary:
        delattr(network, name)
    network.auxiliary = ()
    return _replaced(network)


def _replaced(module: Any) -> nn.Module:
    if hasattr(module, "deployed"):
        return module.deployed()
    for name, child in module.named_children():
        setattr(module, name, _replaced(child))
    return module


def used_parameters(network: Any) -> dict[str, nn.Parameter]:
    """Return the parameters that a shipped model has, by name.

    Auxiliary parts are left out, and so are layers that a part keeps only for the names in checkpoints
    (its ``unused_layers``).
    """
    unused = [f"{name}." for name in network.auxiliary]
    for path, module in network.named_modules():
        prefix = f"{path}." if path else ""
        unused += [f"{prefix}{layer}." for layer in getattr(module, "unused_layers", ())]
    return {
        name: parameter
        for name, parameter in network.named_parameters()
        if not name.startswith(tuple(unused))
    }


def predicts_quality(network: Any) -> bool:
    """Return whether a network has a quality predictor, whose weights its spec carries."""
    return hasattr(network.head.quality, "deployed_weights")


def output_layers(network: nn.Module) -> dict[str, tuple[str, ...]]:
    """Return the output convolutions of all heads and the kinds of their rows, see `Head.output_layers`."""
    return {
        f"{name}.{layer}": rows
        for name, child in network.named_children()
        for layer, rows in getattr(child, "output_layers", {}).items()
    }
