"""Focal Loss (Lin et al., ICCV 2017): trains scores of classes alone."""

import functools
from dataclasses import dataclass

from torch import Tensor

from nanodet.config.keys import MUCH, key
from nanodet.learn.losses.quality_focal import quality_focal_loss
from nanodet.model.part import Part


@dataclass
class Section:
    name: str = key(
        "FocalLoss", "the loss of the scores, for a quality that is not joint with them", ours=True
    )
    gamma: float = key(2.0, "how strongly easy points are down-weighted", 0, 16, ours=True)
    alpha: float = key(0.25, "weight of the true class; the others have 1 - alpha", 0, 1, ours=True)
    loss_weight: float = key(1.0, "its factor in the sum of the losses", 0, MUCH)


def focal_loss(
    logits: Tensor, target: Tensor, gamma: float = 2.0, alpha: float | None = 0.25
) -> Tensor:
    """Focal Loss (eq. 8): ``-(1 - p_t)^gamma log p_t``, times alpha or 1 - alpha.

    Args:
        logits: (...), any shape, of p.
        target: the same shape, 1 at the true class and 0 elsewhere; p_t is p or 1 - p.
        gamma: how strongly easy examples are down-weighted, >= 0.
        alpha: weight where the target is 1, 0..1; None: without weights, as in eq. 8.

    Returns:
        (...), >= 0.
    """
    loss = quality_focal_loss(logits, target, gamma)  # the same for such targets (eqs. 12 and 13)
    return loss if alpha is None else loss * (1 - alpha + (2 * alpha - 1) * target)


PART = Part(
    Section,
    lambda section: functools.partial(focal_loss, gamma=section.gamma, alpha=section.alpha),
)
