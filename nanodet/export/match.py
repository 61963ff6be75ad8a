"""Which convolution of a model file is which of the network: by the order of the data flow.

Both graphs are walked as `nanodet.ncnn_files.flow` says, so it does not matter what wrote the file.
"""

import dataclasses
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from nanodet.errors import NanodetError
from nanodet.ncnn_files.flow import NO_ACTIVATION, Convolution, in_flow_order, shape_text
from nanodet.ncnn_files.layout import Form

_MODULES = {
    nn.ReLU: "ReLU", nn.LeakyReLU: "LeakyReLU", nn.ReLU6: "ReLU6", nn.Hardswish: "HardSwish",
    nn.SiLU: "SiLU",
}  # fmt: skip
_WEIGHTED = (nn.Conv2d, nn.BatchNorm2d)
_SUMS = (operator.add, operator.iadd, operator.mul, operator.imul, torch.add, torch.mul)
_JOINS = (torch.cat, torch.concat, torch.stack)
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
    """

    conv: str
    norm: str | None
    theirs: Convolution


def match(
    network: Any,
    theirs: Sequence[Convolution],
    form: Form,
    file: str | Path | None,
    arch: Any,
    config_file: str | Path | None,
) -> list[Pair]:
    """Pair the convolutions of a network with those of a model file.

    Args:
        network: as `nanodet.model.network.build_network` builds it.
        theirs: the file's `nanodet.ncnn_files.flow.Convolution`s in order.
        form: its `nanodet.ncnn_files.layout.Form`.
        arch: ``model.arch`` of the network's config.
        file, config_file: name file and config in messages.

    Returns:
        `Pair`s in the order of the data flow; module names are unique.

    Raises:
        NanodetError: the architectures differ; names the layer and the config's key.
    """
    for key, given, wanted in _head_values(network, form):
        if given != wanted:
            raise NanodetError(
                f"{file}: is {form}: has {key} {given}, but model.arch.head.{key} of {config_file} is "
                f"{wanted}"
            )
    ours = network_convolutions(network)
    if ours is None:
        raise NanodetError(
            f"{file}: cannot be imported: the model of {config_file} has other layers with weights than "
            "convolutions"
        )
    if len(ours) != len(theirs):
        raise NanodetError(
            f"{file}: has {len(theirs)} convolutions, but the model of {config_file} has {len(ours)}: "
            "another backbone, fpn or head, or another number of layers in one of them"
        )
    pairs = []
    for (conv, norm, activation), layer in zip(ours, theirs, strict=True):
        where, wanted = f"{file}: layer {layer.name}", module_shape(network.get_submodule(conv))
        if layer.shape != wanted:
            raise NanodetError(
                f"{where}: is a convolution {layer.shape}, but {conv} is {wanted} by "
                f"{_key(conv, arch)} of {config_file}"
            )
        if activation != layer.activation and None not in (activation, layer.activation):
            part = "backbone" if conv.startswith("backbone.") else "head"
            raise NanodetError(
                f"{where}: has {layer.activation} after it, but {conv} has {activation} by "
                f"model.arch.{part}.activation of {config_file}"
            )
        pairs.append(Pair(conv, norm, layer))
    return pairs


def fits(network: Any, theirs: Sequence[Convolution], form: Form) -> bool:
    """Tell whether a network has the convolutions of a model file, in their order."""
    if any(given != wanted for _, given, wanted in _head_values(network, form)):
        return False
    ours = network_convolutions(network)
    return (
        ours is not None
        and len(ours) == len(theirs)
        and all(
            layer.shape == module_shape(network.get_submodule(conv))
            and (activation == layer.activation or None in (activation, layer.activation))
            for (conv, _, activation), layer in zip(ours, theirs, strict=True)
        )
    )


def network_convolutions(network: Any) -> list[tuple[str, str | None, str | None]] | None:
    """Return (convolution, batch norm or None, activation or None) in the order of the data flow.

    None for a network whose data flow depends on values, or with other layers that have weights, as an
    attention has.

    Args:
        network: in eval mode.
    """
    try:
        graph = torch.fx.symbolic_trace(network).graph
    except (RuntimeError, TypeError, torch.fx.proxy.TraceError):
        return None
    for module in filter(None, (_module(network, node) for node in graph.nodes)):
        if not isinstance(module, _WEIGHTED) and any(True for _ in module.parameters()):
            return None
    end = next(node for node in graph.nodes if node.op == "output")

    def mark(node: fx.Node) -> str | None:
        module = _module(network, node)
        return module_shape(module) if isinstance(module, nn.Conv2d) else None

    found = []
    for node in in_flow_order([end], _inputs_of, mark, lambda node: node.target in _SUMS):
        if mark(node) is None:
            continue
        norm, after = None, next(iter(node.users))
        if isinstance(_module(network, after), nn.BatchNorm2d):
            norm, after = after.target, next(iter(after.users))
        found.append((node.target, norm, _activation(network, after)))
    return found


def _activation(network: Any, node: fx.Node) -> str | None:
    module = _module(network, node)
    if module is None:
        name = getattr(node.target, "__name__", str(node.target))
        return None if hasattr(nn.functional, name) and "interpolate" not in name else NO_ACTIVATION
    known = type(module).__module__ == nn.ReLU.__module__  # where torch has its activations
    return _MODULES.get(type(module), None if known else NO_ACTIVATION)


def module_shape(conv: nn.Conv2d) -> str:
    """Return the shape of an ``nn.Conv2d`` in words."""
    return shape_text(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.groups
    )


def _head_values(network: Any, form: Form) -> tuple[tuple[str, Any, Any], ...]:
    head = network.head
    unit = head.code.unit  # a file tells only how many bins it has
    return (
        ("num_classes", form.classes, head.num_classes),
        ("reg_max", f"{form.reg_max * unit:g}", f"{(head.code.channels // 4 - 1) * unit:g}"),
        ("strides", list(form.strides), list(head.strides)),
    )


def _inputs_of(node: fx.Node) -> list[fx.Node]:
    """Return the maps that a node is made of: of most the first, sizes and the like are none."""
    if node.op == "output" or node.target in (*_SUMS, *_JOINS):
        return node.all_input_nodes
    return node.all_input_nodes[:1]


def _module(network: Any, node: fx.Node) -> nn.Module | None:
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def _key(conv: str, arch: Any) -> str:
    """Return the config's key that the channels of a convolution come from."""
    start = next((start for start in _WIDTHS if conv.startswith(start)), None)
    if start is None:
        return "model.arch"
    section = start.split(".", 1)[0]
    known = {field.name for field in dataclasses.fields(getattr(arch, section))}
    name = next((name for name in _WIDTHS[start] if name in known), None)
    return f"model.arch.{section}" + (f".{name}" if name else "")
