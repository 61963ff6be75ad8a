"""Squared error of edges, the loss of single numbers in the paper's Table 1."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from nanodet.config.keys import MUCH, key
from nanodet.model.part import Part


@dataclass
class Section:
    name: str = key(
        "EdgeL2Loss", "the loss of the edges of the box code Dirac: (x - y)^2 / 2", ours=True
    )
    loss_weight: float = key(0.25, "its factor in the sum of the losses", 0, MUCH)


def edge_l2_loss(raw: Tensor, distances: Tensor) -> Tensor:
    """Return the mean of ``(x - y)^2 / 2`` of a point's four edges (Table 1, Dirac delta).

    Args:
        raw: (K, 4), values of the box code `Dirac`; x is their softplus.
        distances: (K, 4) left, top, right, bottom in strides, y >= 0.

    Returns:
        (K,), >= 0.
    """
    return (F.softplus(raw) - distances).square().mean(dim=1) / 2


PART = Part(Section, lambda section: edge_l2_loss)
