"""IoU loss (UnitBox; Yu et al., ACM MM 2016)."""

from dataclasses import dataclass

from torch import Tensor

from nanodet.config.keys import MUCH, key
from nanodet.learn.iou import EPS, overlap
from nanodet.model.part import Part


@dataclass
class Section:
    name: str = key("IoULoss", "the loss of the boxes: -ln IoU")
    loss_weight: float = key(2.0, "its factor in the sum of the losses", 0, MUCH)


def iou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return ``-ln IoU`` of boxes (N, 4) xyxy: (N,), >= 0; boxes that do not overlap get no gradient."""
    return -overlap(predicted, target).iou.clamp(min=EPS).log()


PART = Part(Section, lambda section: iou_loss)
