"""Squared error of the scores, the alternative to Quality Focal Loss in the paper's Table 4."""

from dataclasses import dataclass

from torch import Tensor

from nanodet.config.keys import MUCH, key
from nanodet.model.part import Part


@dataclass
class Section:
    name: str = key("L2Loss", "the loss of the scores: (score - quality)^2", ours=True)
    loss_weight: float = key(1.0, "its factor in the sum of the losses", 0, MUCH)


def l2_loss(logits: Tensor, quality: Tensor) -> Tensor:
    """Return ``(sigmoid(logits) - quality)^2``, of any shape, 0..1."""
    return (logits.sigmoid() - quality).square()


PART = Part(Section, lambda section: l2_loss)
