"""NanoDet-Plus: a detector beside whose neck a copy and an auxiliary head learn what to assign."""

import copy

import torch
from torch import Tensor, nn

from nanodet.model.detectors.one_stage import OneStageDetector


class NanoDetPlus(OneStageDetector):
    """A `OneStageDetector` with an assign guidance module.

    Args:
        backbone, fpn, head: see `OneStageDetector`.
        aux_head: a head for maps of twice the channels of ``fpn``'s: each is the neck's map and, behind
            it, that of the neck's copy.
        detach_epoch: from here on the module's gradients end at its inputs.
    """

    auxiliary = ("aux_fpn", "aux_head")

    def __init__(
        self,
        backbone: nn.Module,
        fpn: nn.Module,
        head: nn.Module,
        aux_head: nn.Module,
        detach_epoch: int,
    ):
        super().__init__(backbone, fpn, head)
        self.aux_fpn, self.aux_head = copy.deepcopy(fpn), aux_head
        self.detach_epoch = detach_epoch

    def training_outputs(self, images: Tensor, epoch: int) -> dict[str, Tensor]:
        features = self.backbone(images)
        maps = self.fpn(features)
        main = self.head(maps)
        if epoch >= self.detach_epoch:
            features, maps = ([x.detach() for x in given] for given in (features, maps))
        both = zip(maps, self.aux_fpn(features), strict=True)
        aux = self.aux_head(tuple(torch.cat(pair, dim=1) for pair in both))
        return {"main": main, "aux": aux}
