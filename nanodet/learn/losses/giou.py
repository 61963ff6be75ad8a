"""Generalized IoU loss (Rezatofighi et al., CVPR 2019)."""

from dataclasses import dataclass

from torch import Tensor

from nanodet.config.keys import MUCH, key
from nanodet.learn.iou import EPS, overlap
from nanodet.model.part import Part


@dataclass
class Section:
    name: str = key("GIoULoss", "the loss of the boxes: 1 - generalized IoU")
    loss_weight: float = key(2.0, "its factor in the sum of the losses", 0, MUCH)


def giou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return ``1 - IoU + (hull - union) / hull`` of boxes (N, 4) xyxy: (N,), 0..2."""
    iou, union, hull = overlap(predicted, target)
    area = hull.prod(dim=-1).clamp(min=EPS)
    return 1 - (iou - (area - union) / area)


PART = Part(Section, lambda section: giou_loss)
