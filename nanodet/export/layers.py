"""The convolutions of a network in the order of its data flow, as it is or as an export rewrites it."""

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from nanodet.export.graph import ExportGraph
from nanodet.export.rewriting.build import Moved
from nanodet.export.rewriting.plan import Plan
from nanodet.ncnn_files.flow import NO_ACTIVATION, in_flow_order, shape_text

_MODULES = {
    nn.ReLU: "ReLU", nn.LeakyReLU: "LeakyReLU", nn.ReLU6: "ReLU6", nn.Hardswish: "HardSwish",
    nn.SiLU: "SiLU",
}  # fmt: skip
_WEIGHTED = (nn.Conv2d, nn.BatchNorm2d)
_SUMS = (operator.add, operator.iadd, operator.mul, operator.imul, torch.add, torch.mul)
_JOINS = (torch.cat, torch.concat, torch.stack)


@dataclass(frozen=True)
class Layer:
    """One convolution of a network, or of what an export made of it.

    Attributes:
        name: of the module.
        norm: name of the batch norm after it, None if there is none.
        activation: what follows it, in words; None if unknown.
        shape: in words, see `module_shape`.
        moved: where the export put its channels, None if it left them.
        picks: whether it only picks channels, and so is none of the network's own.
    """

    name: str
    norm: str | None
    activation: str | None
    shape: str
    moved: Moved | None = None
    picks: bool = False


def layers_of(network: Any, plan: Plan | None = None) -> list[Layer] | None:
    """Return the convolutions of a network, rewritten if there is a plan, in the order of the data flow.

    None as `network_convolutions` says.
    """
    plain = network_convolutions(network)
    if plain is None:
        return None
    if plan is None:
        return [Layer(*one, module_shape(network.get_submodule(one[0]))) for one in plain]
    made = ExportGraph(network, plan=plan).rewritten
    found = None if made is None else network_convolutions(made.network)
    if made is None or found is None:
        return None
    norms = {name: norm for name, norm, _ in plain}
    return [
        Layer(
            name, norms.get(name), activation, module_shape(made.network.get_submodule(name)),
            made.moved.get(name), name in made.picks,
        )
        for name, _, activation in found
    ]  # fmt: skip


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


def module_shape(conv: Any) -> str:
    """Return the shape of an ``nn.Conv2d`` in words."""
    return shape_text(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.groups
    )


def _inputs_of(node: fx.Node) -> list[fx.Node]:
    """Return the maps that a node is made of: of most the first, sizes and the like are none."""
    if node.op == "output" or node.target in (*_SUMS, *_JOINS):
        return node.all_input_nodes
    return node.all_input_nodes[:1]


def _module(network: Any, node: fx.Node) -> nn.Module | None:
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None
