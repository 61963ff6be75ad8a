"""The General distribution of Generalized Focal Loss (Li et al., NeurIPS 2020)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nanodet.config.keys import key
from nanodet.model.part import Part
from nanodet.runtime.box_codes import DISTRIBUTIONS


@dataclass
class Section:
    name: str = key("General", "each edge is a distribution over 0 to reg_max strides", ours=True)


class General:
    """Each edge is a distribution over the distances 0, 1, ..., reg_max in strides.

    Attributes:
        reg_max: the largest distance.
        channels: values per point: reg_max + 1 logits for each of left, top, right, bottom.
        form: its name in the spec.
    """

    form = DISTRIBUTIONS

    def __init__(self, reg_max: int):
        self.reg_max = reg_max
        self.channels = 4 * (reg_max + 1)

    def distances(self, raw: Tensor) -> Tensor:
        """Return the expectation of each edge (eq. 4): logits (N, channels) to (N, 4) in strides."""
        # bins first: a softmax over a few adjacent numbers takes ten times as long
        bins = raw.reshape(-1, 4, self.reg_max + 1).permute(2, 0, 1).contiguous()
        values = torch.arange(self.reg_max + 1, dtype=raw.dtype, device=raw.device)
        return torch.tensordot(values, bins.softmax(dim=0), dims=1)


PART = Part(Section, lambda section, reg_max: General(reg_max))
