"""Complete IoU loss (Zheng et al., AAAI 2020)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nanodet.config.keys import MUCH, key
from nanodet.learn.iou import EPS, overlap
from nanodet.learn.losses.diou import diou_loss
from nanodet.model.part import Part


@dataclass
class Section:
    name: str = key(
        "CIoULoss", "the loss of the boxes: DIoULoss, plus the difference of aspect ratios"
    )
    loss_weight: float = key(2.0, "its factor in the sum of the losses", 0, MUCH)


def ciou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return `diou_loss` + ``a v`` of boxes (N, 4) xyxy: (N,), >= 0.

    ``v = 4 / pi^2 (arctan(w / h) - arctan(w' / h'))^2`` compares the aspect ratios, and the trade-off
    ``a = v / (1 - IoU + v)`` is a constant for the gradient.
    """
    angles = [
        torch.atan2(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]) for box in (predicted, target)
    ]
    v = 4 / math.pi**2 * (angles[0] - angles[1]).square()
    with torch.no_grad():
        trade_off = v / (1 - overlap(predicted, target).iou + v).clamp(min=EPS)
    return diou_loss(predicted, target) + trade_off * v


PART = Part(Section, lambda section: ciou_loss)
