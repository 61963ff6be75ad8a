"""Quality Focal Loss: trains scores that predict the IoU of their box.

From "Generalized Focal Loss: Towards Efficient Representation Learning for Dense Object Detection"
(TPAMI 2023).
"""

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nanodet.config.keys import MUCH, key
from nanodet.model.part import Part


@dataclass
class Section:
    name: str = key("QualityFocalLoss", "the loss of the scores")
    use_sigmoid: bool = key(True, "scores of classes are independent", known=(True,))
    beta: float = key(2.0, "how strongly easy points are down-weighted", 0, 16)
    loss_weight: float = key(1.0, "its factor in the sum of the losses", 0, MUCH)


def quality_focal_loss(logits: Tensor, quality: Tensor, beta: float = 2.0) -> Tensor:
    """Quality Focal Loss (eq. 9): ``|y - s|^beta * BCE(s, y)`` with ``s = sigmoid(logits)``.

    Args:
        logits: (...), any shape.
        quality: the same shape, y in 0..1: the IoU at the true class, 0 elsewhere.
        beta: how strongly easy examples are down-weighted, >= 0.

    Returns:
        (...), >= 0, and 0 where s = y = 0 or s = y = 1; with a gradient for the logits alone.
    """
    return _QualityFocalLoss.apply(logits, quality, beta)


class _QualityFocalLoss(torch.autograd.Function):
    """The loss and its derivative by the logits, together.

    `generalized_focal_loss` of logsigmoid(-x) and logsigmoid(x) is the same (eq. 13), but slower: this one
    runs over all points and classes. With d = s - y and the entropy E, whose derivative is d, that of
    ``|d|^beta E`` is ``|d|^beta d + beta |d|^(beta - 1) sign(d) s (1 - s) E``. It is 0 where d is: there the
    loss is at its least, and no gradient moves it. That is its derivative if beta >= 1, and else its limit
    if y is 0 or 1, but for other y it goes to infinity on both sides, with opposite signs.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, quality: Tensor, beta: float) -> Tensor:
        logits = logits.contiguous()  # part of a row: twice as fast, with the copy
        score = logits.sigmoid()
        entropy = F.softplus(logits).addcmul_(logits, quality, value=-1)
        distance = score - quality
        weight = distance.square() if beta == 2 else distance.abs().pow_(beta)
        if ctx.needs_input_grad[0]:
            slope = distance if beta == 2 else _signed_power(distance, beta - 1)
            gradient = score.sub_(score.square()).mul_(entropy).mul_(slope).mul_(beta)
            ctx.save_for_backward(gradient.addcmul_(weight, distance))
        return weight.mul_(entropy)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return ctx.saved_tensors[0] * gradient, None, None


def _signed_power(distance: Tensor, exponent: float) -> Tensor:
    """Return sign(d) |d|^exponent, finite for any d and an exponent of at least -1."""
    least = torch.finfo(distance.dtype).tiny
    return distance.abs().clamp_(min=least).pow_(exponent).mul_(distance.sign())


PART = Part(Section, lambda section: functools.partial(quality_focal_loss, beta=section.beta))
