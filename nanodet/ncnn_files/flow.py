"""The convolutions of a network in the order of its data flow, whatever wrote the graph.

A graph is walked from its outputs back to its input. Where a layer has several inputs their order is
part of what it computes (concatenation), or is settled here by what lies before them (sums and
products), so two graphs of one architecture give their convolutions in the same order, whatever their
names and the order of their layers.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

NO_ACTIVATION = "no activation"
# one of these follows most convolutions of every detector of the original; PicoDet, whose levels are
# those of NanoDet-Plus and whose points are not, has others
_USUAL = ("LeakyReLU", "ReLU6", "ReLU", "SiLU")
LEAKY = 0.1  # the slope that LeakyReLU has in a NanoDet


@dataclass(frozen=True)
class Convolution:
    """A convolution of a model file.

    Attributes:
        name: of its layer or node.
        shape: channels, kernel, stride and groups in words, see `shape_text`.
        activation: what follows it, in words; None if unknown.
        source: name of the blob or tensor it is given.
    """

    name: str
    shape: str
    activation: str | None
    source: str


def is_usual(convolutions: Iterable[Convolution]) -> bool:
    """Tell whether most activations of a file are such as the original's detectors have."""
    counts = Counter(one.activation for one in convolutions if one.activation != NO_ACTIVATION)
    return bool(counts) and counts.most_common(1)[0][0] in _USUAL


def in_flow_order(
    ends: Sequence[Any],
    inputs_of: Callable[[Any], Sequence[Any]],
    mark_of: Callable[[Any], Hashable],
    commutes: Callable[[Any], bool],
) -> list[Any]:
    """Return the nodes that ``ends`` depend on, each after its inputs, depth first.

    Args:
        ends: nodes, any objects.
        inputs_of: the nodes before a node, in order.
        mark_of: what tells a node from others in every graph of the architecture, such as the shape
            of a convolution; None for nodes that graphs may or may not have.
        commutes: whether the order of a node's inputs is of no matter; they come in one order then.
    """
    known: dict[int, int] = {}
    for node in _after_their_inputs(ends, inputs_of):
        before = [known[id(one)] for one in inputs_of(node)]
        mark = mark_of(node)
        if commutes(node):
            before.sort()
        if mark is None and len(before) == 1:
            known[id(node)] = before[0]
        else:
            known[id(node)] = hash((mark, *before))

    def ordered(node: Any) -> list[Any]:
        before = list(inputs_of(node))
        return sorted(before, key=lambda one: known[id(one)]) if commutes(node) else before

    return _after_their_inputs(ends, ordered)


def _after_their_inputs(
    ends: Sequence[Any], inputs_of: Callable[[Any], Sequence[Any]]
) -> list[Any]:
    order, seen = [], set()
    waiting = [(node, False) for node in reversed(ends)]
    while waiting:
        node, inputs_done = waiting.pop()
        if inputs_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            waiting.append((node, True))
            waiting += [(before, False) for before in reversed(list(inputs_of(node)))]
    return order


def shape_text(
    channels_in: int, channels_out: int, kernel: Sequence[int], strides: Sequence[int], groups: int
) -> str:
    """Return the shape of a convolution in words; kernel and strides are (rows, columns)."""
    text = f"{channels_in} to {channels_out}, {kernel[0]} x {kernel[1]}"
    text += f", stride {strides[0]}" if strides[0] == strides[1] else f", stride {tuple(strides)}"
    return text + (f", {groups} groups" if groups > 1 else "")


def leaky(slope: float) -> str:
    """Return the name of a ReLU with this slope."""
    if not slope:
        return "ReLU"
    return "LeakyReLU" if abs(slope - LEAKY) < 1e-4 else f"LeakyReLU with slope {slope:g}"
