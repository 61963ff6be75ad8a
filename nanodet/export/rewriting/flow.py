"""Where each channel of a traced network comes from, and which layers need it."""

import operator
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from nanodet.model.backbones.shufflenetv2 import channel_shuffle

# layers that compute each channel of their output from the same channel of their input
_CHANNELWISE = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardswish, nn.SiLU, nn.GELU, nn.MaxPool2d, nn.AvgPool2d,
    nn.Upsample,
)  # fmt: skip
_CHANNELWISE_FUNCTIONS = (nn.functional.interpolate,)
_CHANNELS = 1  # axis

Channel = tuple[fx.Node, int]  # of a source


@dataclass
class Flow:
    """What is known of the channels of a network.

    Attributes:
        sources: the nodes that compute channels, in order; those that only move them are none.
        channels: number of output channels of each source whose value is a batch of maps.
        stride: input pixels per pixel of such a map.
        origin: of each node whose value is a batch of maps, the `Channel`s that it consists of.
        takers: the nodes that take channels of each source, in order, without those that move them.
        free: the sources whose channels may be in any order: nothing needs them in theirs.
    """

    sources: list[fx.Node] = field(default_factory=list)
    channels: dict[fx.Node, int] = field(default_factory=dict)
    stride: dict[fx.Node, int] = field(default_factory=dict)
    origin: dict[fx.Node, list[Channel]] = field(default_factory=dict)
    takers: dict[fx.Node, list[fx.Node]] = field(default_factory=dict)
    free: set[fx.Node] = field(default_factory=set)


def flow_of(network: fx.GraphModule, example: torch.Tensor, keep: int = 0) -> Flow:
    """Follow the channels of a network.

    Args:
        network: traced, in eval mode.
        example: float32 (1, 3, H, W) that it takes, for the shapes of its maps.
        keep: see `nanodet.export.rewriting.plan.Plan`.
    """
    with torch.inference_mode():
        ShapeProp(network).propagate(example)
    flow = Flow()
    for node in network.graph.nodes:
        moved = _moved(node, flow)
        if moved is not None:
            flow.origin[node] = moved
            continue
        flow.sources.append(node)
        flow.takers[node] = []
        shape: tuple[int, ...] = tuple(getattr(node.meta.get("tensor_meta"), "shape", ()))
        if len(shape) == 4:
            flow.channels[node] = shape[1]
            flow.stride[node] = max(1, round(example.shape[2] / shape[2]))
            flow.origin[node] = [(node, c) for c in range(shape[1])]
        for given in node.all_input_nodes:
            for source in dict.fromkeys(source for source, _ in flow.origin.get(given, ())):
                if node not in flow.takers[source]:
                    flow.takers[source].append(node)
    _find_free(network, flow, keep)
    return flow


def dense(network: fx.GraphModule, node: fx.Node) -> nn.Conv2d | None:
    """Return the convolution of a node that mixes all channels, else None."""
    module = _module(network, node)
    return module if isinstance(module, nn.Conv2d) and module.groups == 1 else None


def depthwise(network: fx.GraphModule, node: fx.Node) -> nn.Conv2d | None:
    """Return the convolution of a node that computes each channel from the same one, else None."""
    module = _module(network, node)
    if not isinstance(module, nn.Conv2d) or module.groups == 1:
        return None
    return module if module.groups == module.in_channels == module.out_channels else None


def channelwise(network: fx.GraphModule, node: fx.Node) -> bool:
    """Tell whether a node computes each channel from the same one of its only input."""
    if len(node.all_input_nodes) != 1:
        return False
    return (
        depthwise(network, node) is not None
        or isinstance(_module(network, node), _CHANNELWISE)
        or node.target in _CHANNELWISE_FUNCTIONS
    )


def _find_free(network: fx.GraphModule, flow: Flow, keep: int) -> None:
    """Fill ``flow.free``: at first all, then without those that something needs as they are."""
    calls = Counter(node.target for node in network.graph.nodes if node.op == "call_module")
    # weights that work in several places cannot follow the order of one of them
    shared = {node for node in network.graph.nodes if calls[node.target] > 1}
    chains = {node for node in flow.channels if channelwise(network, node)}
    flow.free = {
        node
        for node, channels in flow.channels.items()
        if node in chains or (dense(network, node) and (not keep or channels % keep))
    } - shared
    changed = True
    while changed:
        bound = {
            node
            for node in flow.free
            if any(
                t in shared or (not dense(network, t) and t not in flow.free & chains)
                for t in flow.takers[node]
            )
            or (node in chains and not all(s in flow.free for s, _ in _given(node, flow)))
            or _is_repeated(node, flow)
        }
        flow.free -= bound
        changed = bool(bound)


def _given(node: fx.Node, flow: Flow) -> list[Channel]:
    return flow.origin[node.all_input_nodes[0]]


def _is_repeated(source: fx.Node, flow: Flow) -> bool:
    """Tell whether a taker gets a channel of a source more than once."""
    for taker in flow.takers[source]:
        given = [one for node in taker.all_input_nodes for one in flow.origin.get(node, ())]
        if len(given) != len(set(given)):
            return True
    return False


def _moved(node: Any, flow: Flow) -> list[Channel] | None:
    """Return the channels of a node that only moves some; None for another."""
    move = _MOVES.get(node.target) if node.op != "call_module" else None
    return move(node, flow) if move is not None else None


def _cat(node: Any, flow: Flow) -> list[Channel] | None:
    parts, axis = _argument(node, 0, "tensors"), _argument(node, 1, "dim", 0)
    known = isinstance(parts, list | tuple) and all(part in flow.origin for part in parts)
    if axis != _CHANNELS or not known:
        return None
    return [one for part in parts for one in flow.origin[part]]


def _shuffle(node: Any, flow: Flow) -> list[Channel] | None:
    given = flow.origin.get(_argument(node, 0, "x"))
    if given is None:
        return None
    half = len(given) // 2
    return [one for pair in zip(given[:half], given[half:], strict=True) for one in pair]


def _part(node: Any, flow: Flow) -> list[Channel] | None:
    """Return the channels of one part of a chunk."""
    whole, index = node.args
    if getattr(whole, "target", None) not in ("chunk", torch.chunk):
        return None
    given = flow.origin.get(_argument(whole, 0, "input"))
    parts, axis = _argument(whole, 1, "chunks"), _argument(whole, 2, "dim", 0)
    if given is None or axis != _CHANNELS or type(parts) is not int:
        return None
    if type(index) is not int or index < 0:
        return None
    size = -(-len(given) // parts)
    return given[index * size : (index + 1) * size]


def _chunk(node: Any, flow: Flow) -> list[Channel] | None:
    parts = all(user.target is operator.getitem and _part(user, flow) for user in node.users)
    return flow.origin.get(_argument(node, 0, "input")) if parts else None


def _argument(node: Any, place: int, name: str, default: Any = None) -> Any:
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


_MOVES: dict[object, Callable[[Any, Flow], list[Channel] | None]] = {
    torch.cat: _cat,
    torch.concat: _cat,
    channel_shuffle: _shuffle,
    "chunk": _chunk,
    torch.chunk: _chunk,
    operator.getitem: _part,
}


def _module(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None
