"""How a network is rewritten: widths of groups of channels per stride, and what a target gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nanodet.errors import NanodetError


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
        target: what it is for, a key of `TARGETS`, or ``this CPU`` if it was measured.
        groups: `Groups` of each stride; maps of other strides are as those of the next lower one.
    """

    target: str
    groups: Mapping[int, Groups] = field(default_factory=dict)

    def of(self, stride: int) -> Groups:
        """Return the `Groups` of maps of a stride."""
        known = [one for one in sorted(self.groups) if one <= stride]
        return self.groups[known[-1] if known else min(self.groups)]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, for a spec's ``rewriting``."""
        return {
            "for": self.target,
            "groups": {str(stride): [g.unit, g.smallest] for stride, g in self.groups.items()},
        }

    @classmethod
    def from_dict(cls, mapping: Any, file: object) -> "Plan":
        """Read the JSON form; ``file`` names it in messages.

        Raises:
            NanodetError: it is none.
        """
        try:
            groups = {int(stride): Groups(*pair) for stride, pair in mapping["groups"].items()}
            plan = cls(str(mapping["for"]), groups)
            sound = groups and all(
                type(n) is int and 1 <= n <= 1024
                for g in groups.values()
                for n in (g.unit, g.smallest)
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            sound = False
        if not sound:
            raise NanodetError(f"{file}: rewriting: does not say how the graph was rewritten")
        return plan
