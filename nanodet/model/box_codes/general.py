"""The General distribution of Generalized Focal Loss (Li et al., NeurIPS 2020; TPAMI 2023)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nanodet.config.keys import Fail, key
from nanodet.model.part import Part
from nanodet.runtime.box_codes import DISTRIBUTIONS, Bins

BELOW_LAST_BIN = 0.1  # bins, so that the bin to the right of a target exists


@dataclass
class Section:
    name: str = key("General", "each edge is a distribution over 0 to reg_max strides", ours=True)
    spacing: float = key(
        1.0,
        "strides between two bins; reg_max must be a whole multiple of it",
        1e-3,
        256,
        ours=True,
    )

    def check_reg_max(self, reg_max: int, fail: Fail) -> None:
        problem = Bins(reg_max, self.spacing).problem
        if problem:
            fail("box_code.spacing", problem)


class General:
    """Each edge is a distribution over the distances 0, spacing, 2 spacing, ..., reg_max in strides.

    Attributes:
        reg_max: the largest distance.
        unit: the spacing.
        bins: of an edge.
        channels: values per point: the logits of the bins of left, top, right and bottom.
        target_max: the largest target of an edge loss, in spacings.
        form: its name in the spec.
    """

    form = DISTRIBUTIONS

    def __init__(self, reg_max: int, spacing: float = 1.0):
        self.reg_max, self.unit = reg_max, spacing
        self.bins = Bins(reg_max, spacing).count
        self.channels = 4 * self.bins
        self.target_max = self.bins - 1 - BELOW_LAST_BIN

    def probabilities(self, raw: Tensor) -> Tensor:
        """Return the probability of each bin: logits (N, channels) to (N, 4, bins)."""
        return self._bins_first(raw).permute(1, 2, 0)

    def distances(self, raw: Tensor) -> Tensor:
        """Return the expectation of each edge (eq. 4): logits (N, channels) to (N, 4) in strides."""
        values = torch.arange(self.bins, dtype=raw.dtype, device=raw.device) * self.unit
        return torch.tensordot(values, self._bins_first(raw), dims=1)

    def _bins_first(self, raw: Tensor) -> Tensor:
        # bins first: a softmax over a few adjacent numbers takes ten times as long
        return raw.reshape(-1, 4, self.bins).permute(2, 0, 1).contiguous().softmax(dim=0)


PART = Part(Section, lambda section, reg_max: General(reg_max, section.spacing))
