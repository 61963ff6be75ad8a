"""The order of the channels of every free map: in groups by who needs them, filled up with zeros."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import fx

from nanodet.export.rewriting.flow import Flow, dense
from nanodet.export.rewriting.plan import Plan

NOTHING = -1  # a channel of zeros
_NEARLY = 0.7  # of the unit is enough for a group


@dataclass(frozen=True)
class Group:
    """Channels of a source that the same nodes take.

    Attributes:
        takers: these nodes.
        slots: the channels in order, `NOTHING` for one of zeros.
    """

    takers: frozenset[fx.Node]
    slots: tuple[int, ...]


def groups_of(network: fx.GraphModule, flow: Flow, plan: Plan) -> dict[fx.Node, list[Group]]:
    """Return the `Group`s of each free source that may choose its order, in order.

    A layer that computes each channel from the same one of its input has the order of its input.
    Where it is the only taker, the input has the order that it would choose.
    """
    found: dict[fx.Node, list[Group]] = {}
    position = {node: i for i, node in enumerate(network.graph.nodes)}
    for source in reversed(flow.sources):
        if source not in flow.free:
            continue
        after = _passed_to(source, flow, network)
        if after is not None:
            slots = tuple(slot for group in found[after] for slot in group.slots)
            found[source] = [Group(frozenset([after]), slots)]
        elif dense(network, source) or _is_passed(source, flow, network):
            found[source] = _groups(source, flow, plan.unit(flow.stride[source]), position)
    return found


def _passed_to(source: fx.Node, flow: Flow, network: fx.GraphModule) -> fx.Node | None:
    """Return the channelwise layer that alone takes a source, and nothing else, if there is one."""
    takers = flow.takers[source]
    if len(takers) != 1 or takers[0] not in flow.free or dense(network, takers[0]):
        return None
    given = flow.origin[takers[0].all_input_nodes[0]]
    return takers[0] if given == flow.origin[source] else None


def _is_passed(source: fx.Node, flow: Flow, network: fx.GraphModule) -> bool:
    """Tell whether a channelwise layer decides the order of its input."""
    given = source.all_input_nodes[0]
    before = given if given in flow.takers else flow.origin[given][0][0]
    return _passed_to(before, flow, network) is source


def _groups(source: fx.Node, flow: Flow, unit: int, position: dict[fx.Node, int]) -> list[Group]:
    takers: list[set[fx.Node]] = [set() for _ in range(flow.channels[source])]
    for taker in flow.takers[source]:
        for given in taker.all_input_nodes:
            for node, channel in flow.origin.get(given, ()):
                if node is source:
                    takers[channel].add(taker)
    together: dict[frozenset[fx.Node], list[int]] = {}
    for channel, them in enumerate(takers):
        together.setdefault(frozenset(them), []).append(channel)

    def first(pair: tuple[frozenset[fx.Node], list[int]]) -> int:
        return min((position[node] for node in pair[0]), default=len(position))

    ordered = sorted(together.items(), key=first)
    enough = _NEARLY * unit
    while len(ordered) > 1 and min(len(c) for _, c in ordered[-2:]) < enough:
        (some, ours), (others, theirs) = ordered[-2:]
        ordered[-2:] = [(some | others, ours + theirs)]
    return [Group(them, _filled(channels, unit)) for them, channels in ordered]


def _filled(channels: Sequence[int], unit: int) -> tuple[int, ...]:
    return (*channels, *[NOTHING] * (-len(channels) % unit))
