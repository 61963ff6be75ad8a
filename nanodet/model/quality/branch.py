"""A branch beside the class scores that learns the quality of the box (paper Fig. 9, "Addition Branch")."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from nanodet.config.keys import MUCH, key
from nanodet.model.part import Part, QualityBranch


class Branched(nn.Module):
    """The head has a branch, which gives the logits of the quality."""

    joint = False

    def __init__(self, branch: QualityBranch):
        super().__init__()
        self.branch = branch

    def forward(self, edges: Tensor) -> None:
        return None


@dataclass
class CenternessSection:
    name: str = key(
        "CenternessBranch", "a branch learns how central the point is in its box", ours=True
    )
    loss_weight: float = key(1.0, "its factor in the sum of the losses", 0, MUCH, ours=True)


@dataclass
class IouSection:
    name: str = key("IoUBranch", "a branch learns the IoU of the box", ours=True)
    loss_weight: float = key(1.0, "its factor in the sum of the losses", 0, MUCH, ours=True)


def _part(section: type, learns: Literal["centerness", "iou"]) -> Part:
    return Part(section, lambda section, code: Branched(QualityBranch(learns, section.loss_weight)))


CENTERNESS = _part(CenternessSection, "centerness")
IOU = _part(IouSection, "iou")
