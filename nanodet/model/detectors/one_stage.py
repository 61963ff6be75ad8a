"""Backbone, neck and head, one after the other."""

from torch import Tensor, nn


class OneStageDetector(nn.Module):
    """A detector of one output.

    Args:
        backbone, fpn, head: as `nanodet.model.part` describes them; ``fpn`` is the neck.

    Attributes:
        auxiliary: names of the children that only training needs: neither exported nor counted.

    Shapes: images float32 (B, 3, H, W), normalised, H and W multiples of 32, to logits
    (B, points, classes + head.code.channels), see `nanodet.model.heads.points.PointHead`.
    """

    auxiliary: tuple[str, ...] = ()

    def __init__(self, backbone: nn.Module, fpn: nn.Module, head: nn.Module):
        super().__init__()
        self.backbone, self.fpn, self.head = backbone, fpn, head

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.fpn(self.backbone(images)))

    def training_outputs(self, images: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return what is learned from by name: "main" is what `forward` gives.

        Args:
            images: as of `forward`.
            epoch: number of finished epochs.
        """
        return {"main": self(images)}
