"""Edges as normal distributions (Choi et al., ICCV 2019; He et al., CVPR 2019)."""

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from nanodet.config.keys import key
from nanodet.model.part import Part
from nanodet.runtime.box_codes import GAUSSIANS


@dataclass
class Section:
    name: str = key(
        "Gaussian", "each edge is a mean and a variance; reg_max has no effect", ours=True
    )


class Gaussian:
    """Each edge is a normal distribution with the mean ``softplus(m)`` and the variance ``exp(v)``.

    Attributes:
        reg_max: not used by this code.
        channels: values per point: m of left, top, right and bottom, then v of each.
        unit, target_max: see `nanodet.model.part.BoxCode`.
        form: its name in the spec.
    """

    form, channels, unit, target_max = GAUSSIANS, 8, 1.0, math.inf

    def __init__(self, reg_max: int):
        self.reg_max = reg_max

    def distances(self, raw: Tensor) -> Tensor:
        """Return the means in strides: (N, 8) to (N, 4)."""
        return F.softplus(raw[:, :4])


PART = Part(Section, lambda section, reg_max: Gaussian(reg_max))
