"""Makes the rewritten network."""

import copy
import operator
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from nanodet.export.rewriting.flow import Channel, Flow, dense, depthwise, flow_of
from nanodet.export.rewriting.layout import NOTHING, Group, groups_of
from nanodet.export.rewriting.plan import Plan

PICK = "pick"  # names of convolutions that pick channels start with it

Slots = list[Channel | None]  # what a map consists of, None for a channel of zeros


@dataclass(frozen=True)
class Moved:
    """Where the channels of a convolution went.

    Attributes:
        rows: of each output channel, the one that it was; `NOTHING` for one of zeros.
        columns: the same of its input channels; empty for a convolution of each channel by itself.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass
class Rewritten:
    """A rewritten network.

    Attributes:
        network: computes what the original does.
        moved: name of each convolution whose channels moved to `Moved`.
        picks: names of the convolutions that only pick channels.
    """

    network: fx.GraphModule
    moved: dict[str, Moved] = field(default_factory=dict)
    picks: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether any channel is elsewhere than it was."""
        orders = [order for one in self.moved.values() for order in (one.rows, one.columns)]
        return any(order != tuple(range(len(order))) for order in orders)


def rewrite(network: fx.GraphModule, plan: Plan, example: torch.Tensor) -> Rewritten:
    """Rewrite a network whose batch norms are folded; it is not changed itself.

    Args:
        network: traced, in eval mode.
        plan: the units of the groups of channels.
        example: float32 (1, 3, H, W) that it takes.
    """
    network = copy.deepcopy(network)
    flow = flow_of(network, example, plan.keep)
    builder = _Builder(network, flow, plan, groups_of(network, flow, plan))
    for node in network.graph.nodes:
        builder.add(node)
    graph = builder.graph
    made = fx.GraphModule(network, graph)
    graph.eliminate_dead_code()
    made.recompile()
    made.delete_all_unused_submodules()
    used = {str(node.target) for node in graph.nodes if node.op == "call_module"}
    picks = tuple(name for name in builder.picks if name in used)
    return Rewritten(made.eval(), builder.moved, picks)


@dataclass
class _Piece:
    """A node of the new graph and the channels in it that belong together."""

    node: fx.Node
    takers: frozenset[fx.Node]
    slots: Slots


class _Builder:
    def __init__(
        self,
        network: fx.GraphModule,
        flow: Flow,
        plan: Plan,
        groups: Mapping[fx.Node, Sequence[Group]],
    ) -> None:
        self.network, self.flow, self.plan, self.groups = network, flow, plan, groups
        self.graph = fx.Graph()
        self.made: dict[fx.Node, fx.Node] = {}  # of nodes whose channels are in the original order
        self.pieces: dict[fx.Node, list[_Piece]] = {}  # of sources
        self.gathered: dict[Hashable, tuple[fx.Node, Slots]] = {}
        self.moved: dict[str, Moved] = {}
        self.picks: list[str] = []

    def add(self, node: fx.Node) -> None:
        """Add what computes a node of the original graph."""
        flow = self.flow
        taken = [flow.origin.get(given, []) for given in node.all_input_nodes]
        is_free = any(source in flow.free for given in taken for source, _ in given)
        if not is_free and node not in flow.free:
            self.made[node] = self.graph.node_copy(node, self.made.__getitem__)
            if node in flow.channels:
                self._keep(node, self.made[node], flow.origin[node], [])
            return
        if node not in flow.takers:
            return  # it only moves channels, which are gathered where they are needed
        slots: Slots = [*taken[0]]
        if is_free:
            gathered, slots = self._gather(node, taken[0])
        else:  # it takes a map as it is, and may order its own channels
            gathered = self.made[node.all_input_nodes[0]]
        new = self.graph.node_copy(node, lambda given: gathered)
        order, groups = self._order(node, taken[0], slots)
        self._replace_weights(node, order, taken[0], slots)
        if node in flow.free:
            self._keep(node, new, [None if c == NOTHING else (node, c) for c in order], groups)
        else:
            self.made[node] = new
            if node in flow.channels:
                self._keep(node, new, flow.origin[node], [])

    def _order(
        self, node: fx.Node, given: Sequence[Channel], slots: Slots
    ) -> tuple[list[int], Sequence[Group]]:
        """Return the order of a node's own channels, and their groups where it chooses them."""
        if node not in self.flow.free:
            return list(range(self.flow.channels.get(node, 0))), []
        if dense(self.network, node):
            groups = self.groups[node]
            return [slot for group in groups for slot in group.slots], groups
        return _places(given, slots), self.groups.get(node, [])

    def _keep(
        self,
        source: fx.Node,
        new: fx.Node,
        slots: Sequence[Channel | None],
        groups: Sequence[Group],
    ) -> None:
        """Note where the channels of a source are, in a piece for each group."""
        everyone = frozenset(self.flow.takers[source])
        if len(groups) < 2:
            self.pieces[source] = [_Piece(new, everyone, list(slots))]
            return
        sizes = [len(group.slots) for group in groups]
        parts = self.graph.call_function(torch.split, (new, sizes, 1))
        self.pieces[source], start = [], 0
        for i, (group, size) in enumerate(zip(groups, sizes, strict=True)):
            part = self.graph.call_function(operator.getitem, (parts, i))
            piece = _Piece(part, group.takers, list(slots[start : start + size]))
            self.pieces[source].append(piece)
            start += size

    def _gather(self, taker: fx.Node, given: Sequence[Channel]) -> tuple[fx.Node, Slots]:
        """Return the new node that gives a taker the channels that it needs, and what is in it."""
        sources = dict.fromkeys(source for source, _ in given)
        pieces = [p for source in sources for p in self.pieces[source] if taker in p.takers]
        needed = frozenset(given)
        mixed = [p for p in pieces if any(slot and slot not in needed for slot in p.slots)]
        shared = all(len(piece.takers) > 1 for piece in pieces)  # the end of a stage, no block
        picks = shared and len(mixed) > 1
        # what is picked depends on what is needed; what is joined does not
        key = tuple(piece.node for piece in pieces), needed if picks else None
        if key not in self.gathered:
            if picks:
                pieces = [p for p in pieces if p not in mixed] + [self._picked(taker, given, mixed)]
            self.gathered[key] = self._joined(pieces)
        return self.gathered[key]

    def _joined(self, pieces: Sequence[_Piece]) -> tuple[fx.Node, Slots]:
        if len(pieces) == 1:
            return pieces[0].node, pieces[0].slots
        joined = self.graph.call_function(torch.cat, ([piece.node for piece in pieces], 1))
        return joined, [slot for piece in pieces for slot in piece.slots]

    def _picked(self, taker: fx.Node, given: Sequence[Channel], pieces: Sequence[_Piece]) -> _Piece:
        """Add a convolution of zeros and ones that leaves out what a taker does not need."""
        joined, slots = self._joined(pieces)
        needed = set(given)
        wanted: Slots = [slot for slot in slots if slot is not None and slot in needed]
        wanted += [None] * (-len(wanted) % self.plan.unit(self.flow.stride[given[0][0]]))
        pick = nn.Conv2d(len(slots), len(wanted), 1, bias=False)
        with torch.no_grad():
            pick.weight.zero_()
            for row, slot in enumerate(wanted):
                if slot is not None:
                    pick.weight[row, slots.index(slot)] = 1
        name = f"{PICK}{len(self.picks)}"
        self.picks.append(name)
        self.network.add_module(name, pick)
        return _Piece(self.graph.call_module(name, (joined,)), frozenset([taker]), wanted)

    def _replace_weights(
        self, node: fx.Node, rows: Sequence[int], given: Sequence[Channel], slots: Slots
    ) -> None:
        """Give a convolution its channels in their new places."""
        conv = dense(self.network, node) or depthwise(self.network, node)
        if conv is None:
            return
        columns = _places(given, slots) if conv.groups == 1 else []
        moved = Moved(tuple(rows), tuple(columns))
        self.network.set_submodule(str(node.target), _with_channels(conv, moved))
        self.moved[str(node.target)] = moved


def _places(given: Sequence[Channel], slots: Slots) -> list[int]:
    """Return the place that each slot of a new map had in the original one, `NOTHING` for one of zeros."""
    if slots == list(given):  # which may hold a channel twice where it is taken as it is
        return list(range(len(slots)))
    position = {channel: i for i, channel in enumerate(given)}
    return [NOTHING if slot is None else position.get(slot, NOTHING) for slot in slots]


def _with_channels(conv: Any, moved: Moved) -> nn.Conv2d:
    weight = _taken(conv.weight, moved.rows, 0)
    if moved.columns:
        weight = _taken(weight, moved.columns, 1)
    groups = 1 if moved.columns else len(moved.rows)
    new = nn.Conv2d(
        weight.shape[1] * groups, len(moved.rows), conv.kernel_size, conv.stride, conv.padding,
        conv.dilation, groups, conv.bias is not None, conv.padding_mode, device=weight.device,
    )  # fmt: skip
    with torch.no_grad():
        new.weight.copy_(weight)
        if conv.bias is not None and new.bias is not None:
            new.bias.copy_(_taken(conv.bias, moved.rows, 0))
    return new.eval()


def _taken(values: torch.Tensor, order: Sequence[int], axis: int) -> torch.Tensor:
    """Return values in another order along an axis, with zeros for `NOTHING`."""
    zeros = torch.zeros_like(values.narrow(axis, 0, 1))
    index = [values.shape[axis] if i == NOTHING else i for i in order]
    return torch.cat((values.detach(), zeros), axis).index_select(
        axis, torch.tensor(index, device=values.device)
    )
