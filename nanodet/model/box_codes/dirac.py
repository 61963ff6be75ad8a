"""Edges as single numbers, the Dirac delta of the paper's eq. 2 (as in FCOS; Tian et al., ICCV 2019)."""

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from nanodet.config.keys import key
from nanodet.model.part import Part
from nanodet.runtime.box_codes import DISTANCES


@dataclass
class Section:
    name: str = key("Dirac", "each edge is one number; reg_max has no effect", ours=True)


class Dirac:
    """Each edge is one value v, at ``softplus(v) = log(1 + exp(v))`` strides.

    Attributes:
        reg_max: not used by this code.
        channels: values per point: left, top, right, bottom.
        unit, target_max: see `nanodet.model.part.BoxCode`.
        form: its name in the spec.
    """

    form, channels, unit, target_max = DISTANCES, 4, 1.0, math.inf

    def __init__(self, reg_max: int):
        self.reg_max = reg_max

    def distances(self, raw: Tensor) -> Tensor:
        """Return the distances in strides: (N, 4) to (N, 4)."""
        return F.softplus(raw)


PART = Part(Section, lambda section, reg_max: Dirac(reg_max))
