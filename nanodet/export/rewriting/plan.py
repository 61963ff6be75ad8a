"""How a network is rewritten, and what an export for a target gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nanodet.errors import NanodetError

_WIDEST = 64  # of a group's unit: no engine packs more


@dataclass(frozen=True)
class Groups:
    """How the channels of maps of one stride are grouped.

    Attributes:
        unit: each group is filled up with zeros to a multiple of it, which engines compute together:
            16 floats with AVX-512, 8 with AVX2 and for 16-bit numbers on ARM, 4 for 32-bit ones there.
        smallest: groups that would be smaller are joined.
    """

    unit: int
    smallest: int


@dataclass(frozen=True)
class Plan:
    """How a network is rewritten.

    Attributes:
        target: what it is for, a key of `TARGETS`, or `TUNED`.
        groups: `Groups` of each stride; maps of other strides are as those of the next lower one.
        keep: the channels of a convolution that gives a multiple of so many stay where they are: engines
            shuffle them packed, which costs less than the zeros of groups; 0 keeps none.
        direct: whether ncnn computes the first convolution as such, and not as a product of matrices,
            which copies the image nine times.
    """

    target: str
    groups: Mapping[int, Groups] = field(default_factory=dict)
    keep: int = 0
    direct: bool = False

    def of(self, stride: int) -> Groups:
        """Return the `Groups` of maps of a stride."""
        known = [one for one in sorted(self.groups) if one <= stride]
        return self.groups[known[-1] if known else min(self.groups)]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, for a spec's ``rewriting``."""
        return {
            "for": self.target,
            "groups": {str(stride): [g.unit, g.smallest] for stride, g in self.groups.items()},
            "keep": self.keep,
            "direct": self.direct,
        }

    @classmethod
    def from_dict(cls, mapping: Any, file: object) -> "Plan":
        """Read the JSON form; ``file`` names it in messages.

        Raises:
            NanodetError: it is none.
        """
        try:
            groups = {int(stride): Groups(*pair) for stride, pair in mapping["groups"].items()}
            keep = mapping.get("keep", 0)
            plan = cls(str(mapping["for"]), groups, keep, mapping.get("direct") is True)
            sound = (
                groups
                and type(keep) is int
                and keep >= 0
                and all(
                    type(n) is int and 1 <= n <= _WIDEST
                    for g in groups.values()
                    for n in (g.unit, g.smallest)
                )
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            sound = False
        if not sound:
            raise NanodetError(f"{file}: rewriting: does not say how the graph was rewritten")
        return plan


@dataclass(frozen=True)
class Target:
    """What an export for a kind of machine gets.

    Attributes:
        plan: None leaves the network as it is.
        maps: whether the outputs are maps, where the head can give them, see
            `nanodet.runtime.spec.Spec.layout`.
    """

    plan: Plan | None
    maps: bool


PLAIN, ANY, TUNED = "plain", "any", "this CPU"
# eight channels where maps are large: what AVX2 and 16 bits on ARM pack, and AVX-512 takes in pairs;
# where they are small, zeros cost more than they save
_GROUPS = {2: Groups(8, 8), 8: Groups(8, 8), 16: Groups(4, 4)}
_KEEP = 8
TARGETS = {
    ANY: Target(Plan(ANY, _GROUPS, _KEEP), maps=False),
    "x86": Target(Plan("x86", _GROUPS, _KEEP, direct=True), maps=True),
    "arm": Target(Plan("arm", {2: Groups(8, 8)}, _KEEP), maps=True),
    PLAIN: Target(None, maps=False),
}


def target_of(name: str, option: str) -> Target:
    """Return an entry of `TARGETS`; raise a `NanodetError` that names ``option`` for another name."""
    if name not in TARGETS:
        raise NanodetError(f"{option}: must be one of {', '.join(TARGETS)}, not {name!r}")
    return TARGETS[name]
