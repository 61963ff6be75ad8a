"""Which convolution of a model file is which of the network: by the order of the data flow.

Both graphs are walked as `nanodet.ncnn_files.flow` says, so it does not matter what wrote the file.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanodet.errors import NanodetError
from nanodet.export.layers import Layer, layers_of, network_convolutions
from nanodet.export.rewriting.build import Moved
from nanodet.export.rewriting.plan import TARGETS, Plan
from nanodet.files.incoming import is_file
from nanodet.ncnn_files.flow import Convolution
from nanodet.ncnn_files.layout import Form
from nanodet.runtime.engines import spec_file
from nanodet.runtime.spec import Spec

_MOST_PICKS = 8  # convolutions that a rewriting adds, one at the end of a stage
# keys of a part's section that its channels come from, whichever of them it has
_WIDTHS = {
    "backbone.": ("model_size", "width_mult", "arch", "depth", "model_name", "net_cfg"),
    "fpn.": ("out_channels",),
    "head.cls_convs.": ("feat_channels",),
    "head.reg_convs.": ("feat_channels",),
    "head.": ("share_cls_reg", "feat_channels"),
}


@dataclass(frozen=True)
class Pair:
    """One convolution in both graphs.

    Attributes:
        conv: name of the network's module.
        norm: name of the batch norm after it, None if there is none.
        theirs: the file's `nanodet.ncnn_files.flow.Convolution`.
        moved: see `Layer`.
    """

    conv: str
    norm: str | None
    theirs: Convolution
    moved: Moved | None = None


def match(
    network: Any,
    theirs: Sequence[Convolution],
    form: Form,
    file: str | Path | None,
    arch: Any,
    config_file: str | Path | None,
    plan: Plan | None = None,
) -> list[Pair]:
    """Pair the convolutions of a network with those of a model file.

    Args:
        network: as `nanodet.model.network.build_network` builds it.
        theirs: the file's `nanodet.ncnn_files.flow.Convolution`s in order.
        form: its `nanodet.ncnn_files.layout.Form`.
        arch: ``model.arch`` of the network's config.
        file, config_file: name file and config in messages.
        plan: how the export rewrote the network, None if it did not.

    Returns:
        `Pair`s in the order of the data flow, without those that only pick channels; module names are
        unique.

    Raises:
        NanodetError: the architectures differ; names the layer and the config's key.
    """
    for key, given, wanted in _head_values(network, form):
        if given != wanted:
            raise NanodetError(
                f"{file}: is {form}: has {key} {given}, but model.arch.head.{key} of {config_file} is "
                f"{wanted}"
            )
    ours = layers_of(network, plan)
    if ours is None:
        raise NanodetError(
            f"{file}: cannot be imported: the model of {config_file} has other layers with weights than "
            "convolutions"
        )
    if len(ours) != len(theirs) and (plan is None or _backbones_agree(ours, theirs)):
        raise NanodetError(
            f"{file}: has {len(theirs)} convolutions, but the model of {config_file} has {len(ours)}: "
            "another backbone, fpn or head, or another number of layers in one of them"
        )
    pairs = []
    for own, layer in zip(ours, theirs, strict=False):
        where = f"{file}: layer {layer.name}"
        if layer.shape != own.shape:
            raise NanodetError(
                f"{where}: is a convolution {layer.shape}, but {own.name} is {own.shape} by "
                f"{_key(own.name, arch)} of {config_file}"
            )
        if not _same_activation(own, layer):
            part = "backbone" if own.name.startswith("backbone.") else "head"
            raise NanodetError(
                f"{where}: has {layer.activation} after it, but {own.name} has {own.activation} by "
                f"model.arch.{part}.activation of {config_file}"
            )
        if not own.picks:
            pairs.append(Pair(own.name, own.norm, layer, own.moved))
    return pairs


def fits(network: Any, theirs: Sequence[Convolution], form: Form, plan: Plan | None = None) -> bool:
    """Tell whether a network has the convolutions of a model file, in their order."""
    if any(given != wanted for _, given, wanted in _head_values(network, form)):
        return False
    plain = network_convolutions(network)
    if plain is None or not 0 <= len(theirs) - len(plain) <= (_MOST_PICKS if plan else 0):
        return False  # at once: a search asks this of many networks
    ours = layers_of(network, plan)
    return (
        ours is not None
        and len(ours) == len(theirs)
        and all(
            layer.shape == own.shape and _same_activation(own, layer)
            for own, layer in zip(ours, theirs, strict=True)
        )
    )


def possible_plans(spec: Spec | None, file: str | Path) -> list[Plan | None]:
    """Return how an export may have rewritten the network of a model file, None for not at all.

    Args:
        spec: of the file; where it does not say it, as that of an adopted file, the export may have been
            for any of `TARGETS`.
        file: the model file.
    """
    if spec is not None and spec.rewriting is not None:
        beside = spec_file(file)
        return [Plan.from_dict(spec.rewriting, beside if is_file(beside) else file)]
    plans: list[Plan | None] = [None]
    for target in TARGETS.values():
        known = [(one.units, one.keep) for one in plans if one is not None]
        if target.plan is not None and (target.plan.units, target.plan.keep) not in known:
            plans.append(target.plan)
    return plans


def plan_of(
    network: Any, theirs: Sequence[Convolution], form: Form, spec: Spec | None, file: str | Path
) -> Plan | None:
    """Return which of the `possible_plans` a model file has; of those that do not fit, the nearest.

    Args:
        network, theirs, form: see `fits`.
        spec, file: see `possible_plans`.
    """
    plans = possible_plans(spec, file)
    fitting = [plan for plan in plans if fits(network, theirs, form, plan)]
    if fitting or len(plans) == 1:
        return [*fitting, *plans][0]

    def alike(plan: Plan | None) -> int:
        """Count the layers, from the first on, that are those of the file."""
        pairs = zip(layers_of(network, plan) or (), theirs, strict=False)
        return next(
            (i for i, (own, layer) in enumerate(pairs) if own.shape != layer.shape), len(theirs)
        )

    return max(reversed(plans), key=alike)


def _backbones_agree(ours: Sequence[Layer], theirs: Sequence[Convolution]) -> bool:
    pairs = zip(ours, theirs, strict=False)
    return all(o.shape == t.shape for o, t in pairs if o.name.startswith("backbone."))


def _same_activation(ours: Layer, theirs: Convolution) -> bool:
    return ours.activation == theirs.activation or None in (ours.activation, theirs.activation)


def _head_values(network: Any, form: Form) -> tuple[tuple[str, Any, Any], ...]:
    head = network.head
    unit = head.code.unit  # a file tells only how many bins it has
    return (
        ("num_classes", form.classes, head.num_classes),
        ("reg_max", f"{form.reg_max * unit:g}", f"{(head.code.channels // 4 - 1) * unit:g}"),
        ("strides", list(form.strides), list(head.strides)),
    )


def _key(conv: str, arch: Any) -> str:
    """Return the config's key that the channels of a convolution come from."""
    start = next((start for start in _WIDTHS if conv.startswith(start)), None)
    if start is None:
        return "model.arch"
    section = start.split(".", 1)[0]
    known = {field.name for field in dataclasses.fields(getattr(arch, section))}
    name = next((name for name in _WIDTHS[start] if name in known), None)
    return f"model.arch.{section}" + (f".{name}" if name else "")
