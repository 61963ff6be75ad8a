"""Class scores alone: they learn the IoU of their box, or the class and nothing else."""

from dataclasses import dataclass

from torch import Tensor, nn

from nanodet.config.keys import key
from nanodet.model.part import Part


class ClassScores(nn.Module):
    """No logit of quality besides those of the classes.

    Args:
        joint: whether the score of the true class learns the IoU of its box (paper eq. 1), or 1.
    """

    branch = None

    def __init__(self, joint: bool):
        super().__init__()
        self.joint = joint

    def forward(self, edges: Tensor) -> None:
        return None


@dataclass
class JointSection:
    name: str = key(
        "Joint", "the class scores themselves learn the IoU of their box (Generalized Focal Loss)",
        ours=True,
    )  # fmt: skip


@dataclass
class NoneSection:
    name: str = key("NoQuality", "the class scores learn the class alone", ours=True)


JOINT = Part(JointSection, lambda section, code: ClassScores(joint=True))
NONE = Part(NoneSection, lambda section, code: ClassScores(joint=False))
