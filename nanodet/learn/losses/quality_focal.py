"""Quality Focal Loss: trains scores that predict the IoU of their box.

From "Generalized Focal Loss: Towards Efficient Representation Learning for Dense Object Detection"
(TPAMI 2023).
"""

import functools
from dataclasses import dataclass

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
        (...), >= 0, and 0 where s = y = 0 or s = y = 1.
    """
    # `generalized_focal_loss` of logsigmoid(-x) and logsigmoid(x) is the same (eq. 13), and takes two to
    # three times as long forward and backward: this function runs over all points and classes
    distance = (quality - logits.sigmoid()).abs()
    entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    # torch.pow has a slow backward pass for a general exponent; the paper's beta is 2
    return distance.square() * entropy if beta == 2 else distance.pow(beta) * entropy


PART = Part(Section, lambda section: functools.partial(quality_focal_loss, beta=section.beta))
