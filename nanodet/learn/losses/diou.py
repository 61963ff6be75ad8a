"""Distance IoU loss (Zheng et al., AAAI 2020)."""

from dataclasses import dataclass

from torch import Tensor

from nanodet.config.keys import MUCH, key
from nanodet.learn.iou import diou
from nanodet.model.part import Part


@dataclass
class Section:
    name: str = key("DIoULoss", "the loss of the boxes: 1 - IoU, plus the distance of the centres")
    loss_weight: float = key(2.0, "its factor in the sum of the losses", 0, MUCH)


def diou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return ``1 - IoU + d^2 / c^2`` of boxes (N, 4) xyxy: (N,), 0..2.

    d is the distance of the centres, c the diagonal of the smallest box around both.
    """
    return 1 - diou(predicted, target)


PART = Part(Section, lambda section: diou_loss)
