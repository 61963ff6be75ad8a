"""A detector of a backbone, a neck and a head in sequence."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from nanodet.config.keys import key, part
from nanodet.model.assembly import assemble, follow_parts
from nanodet.model.part import Fail, Part


class OneStageDetector(nn.Module):
    """A detector with one output.

    Args:
        backbone, fpn, head: as `nanodet.model.part` describes them; ``fpn`` is the neck.

    Attributes:
        auxiliary: names of the children that only training needs: neither exported nor counted.

    Shapes: images float32 (B, 3, H, W), normalised, H and W multiples of 32, to logits
    (B, points, classes + head.code.channels), see `nanodet.model.heads.points.PointHead`.
    """

    auxiliary: tuple[str, ...] = ()

    def __init__(self, backbone: nn.Module, fpn: nn.Module, head: Any):
        super().__init__()
        self.backbone, self.fpn, self.head = backbone, fpn, head

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.fpn(self.backbone(images)))

    def training_outputs(self, images: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return the training outputs by name; "main" is `Head.training_rows` of the output of `forward`.

        Args:
            images: as in `forward`.
            epoch: number of finished epochs.
        """
        return {"main": self.head.training_rows(self(images))}

    def start_auxiliary(self) -> None:
        """Give auxiliary parts initial weights: an imported model has none for them."""


@dataclass
class OneStageSection:
    name: str = key("OneStageDetector", "the detector; GFL is its name in old files")
    backbone: Any = part(
        "nanodet.model.backbones:BACKBONES", "ShuffleNetV2", "an image to feature maps"
    )
    fpn: Any = part("nanodet.model.necks:NECKS", "PAN", "the neck: feature maps to feature maps")
    head: Any = part("nanodet.model.heads:HEADS", "NanoDetHead", "feature maps to scores and edges")

    def check(self, fail: Fail) -> None:
        """Check the parts, and fill in the keys that follow from the part before."""
        follow_parts(self, fail)


def build(section: OneStageSection) -> OneStageDetector:
    return OneStageDetector(*assemble(section))


PART = Part(OneStageSection, build)
