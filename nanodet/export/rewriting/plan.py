"""How a network is rewritten, and what an export for a target gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nanodet.errors import NanodetError

_WIDEST = 64  # unit of groups: no engine packs more


@dataclass(frozen=True)
class Plan:
    """How a network is rewritten.

    Attributes:
        target: what it is for, a key of `TARGETS`, or `TUNED`.
        units: of each stride; maps of other strides are as those of the next lower one. Each group of
            channels is filled up with zeros to a multiple of it, which engines compute together: 16
            floats with AVX-512, 8 with AVX2 and for 16-bit numbers on ARM, 4 for 32-bit ones there.
            Groups that would be much smaller are joined.
        keep: the channels of a convolution that gives a multiple of so many stay where they are: engines
            shuffle them packed, which costs less than the zeros of groups; 0 keeps none.
    """

    target: str
    units: Mapping[int, int] = field(default_factory=dict)
    keep: int = 0

    def unit(self, stride: int) -> int:
        """Return the unit of groups of channels of maps of a stride."""
        known = [one for one in sorted(self.units) if one <= stride]
        return self.units[known[-1] if known else min(self.units)]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, for a spec's ``rewriting``."""
        units = {str(stride): unit for stride, unit in self.units.items()}
        return {"for": self.target, "units": units, "keep": self.keep}

    @classmethod
    def from_dict(cls, mapping: Any, file: object) -> "Plan":
        """Read the JSON form; ``file`` names it in messages.

        Raises:
            NanodetError: it is none.
        """
        try:
            units = {int(stride): unit for stride, unit in mapping["units"].items()}
            keep = mapping["keep"]
            plan = cls(str(mapping["for"]), units, keep)
            sound = type(keep) is int and keep >= 0 and len(units) > 0
            sound &= all(type(unit) is int and 1 <= unit <= _WIDEST for unit in units.values())
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
_UNITS = {2: 8, 16: 4}
_KEEP = 8
TARGETS = {
    ANY: Target(Plan(ANY, _UNITS, _KEEP), maps=False),
    "x86": Target(Plan("x86", _UNITS, _KEEP), maps=True),
    "arm": Target(Plan("arm", {2: 8}, _KEEP), maps=True),
    PLAIN: Target(None, maps=False),
}


def target_of(name: str, option: str) -> Target:
    """Return an entry of `TARGETS`; raise a `NanodetError` that names ``option`` for another name."""
    if name not in TARGETS:
        raise NanodetError(f"{option}: must be one of {', '.join(TARGETS)}, not {name!r}")
    return TARGETS[name]
