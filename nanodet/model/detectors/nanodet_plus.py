"""NanoDet-Plus: a detector whose assignment is guided by a copy of the neck and an auxiliary head."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nanodet.config.follow import agree
from nanodet.config.keys import MUCH, REQUIRED, key, part
from nanodet.model.assembly import assemble, build_head, follow_head, follow_parts
from nanodet.model.detectors.one_stage import OneStageDetector
from nanodet.model.heads import AUXILIARY_HEADS
from nanodet.model.part import Fail, Part


class NanoDetPlus(OneStageDetector):
    """A `OneStageDetector` with an assign guidance module.

    Args:
        backbone, fpn, head: see `OneStageDetector`.
        aux_head: a head for maps of twice the channels of ``fpn``'s: each is the neck's map
            concatenated with that of the neck's copy.
        detach_epoch: from this epoch on, the module's gradients end at its inputs.
    """

    auxiliary = ("aux_fpn", "aux_head")

    def __init__(
        self,
        backbone: nn.Module,
        fpn: nn.Module,
        head: nn.Module,
        aux_head: Any,
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
        return {"main": self.head.training_rows(main), "aux": self.aux_head.training_rows(aux)}

    def start_auxiliary(self) -> None:
        self.aux_fpn.load_state_dict(self.fpn.state_dict())


@dataclass
class NanoDetPlusSection:
    name: str = key(REQUIRED, "the detector")
    detach_epoch: int = key(
        0, "from this epoch on, the auxiliary parts' gradients end at their inputs", 0, MUCH
    )
    backbone: Any = part(
        "nanodet.model.backbones:BACKBONES", "ShuffleNetV2", "an image to feature maps"
    )
    fpn: Any = part(
        "nanodet.model.necks:NECKS", "GhostPAN", "the neck: feature maps to feature maps"
    )
    head: Any = part(
        "nanodet.model.heads:HEADS", "NanoDetPlusHead", "feature maps to scores and edges"
    )
    aux_head: Any = part(
        "nanodet.model.heads:AUXILIARY_HEADS", "SimpleConvHead",
        "the head whose predictions guide the assignment for both heads; for training only",
    )  # fmt: skip

    def check(self, fail: Fail) -> None:
        """Check the parts, and fill in the keys that follow from the part before."""
        neck = follow_parts(self, fail)
        head, aux = self.head, self.aux_head
        for name in ("num_classes", "reg_max"):
            value = getattr(head, name, None)
            if value is not None:
                agree(aux, name, value, "aux_head", f"head.{name} is {value}", fail)
        for name in ("box_code", "quality"):
            if getattr(aux, name, None) is None:
                setattr(aux, name, getattr(head, name))
            elif getattr(aux, name) != getattr(head, name):
                same = "remove it, then it is the same"
                fail(f"aux_head.{name}", f"differs from head.{name}; {same}")
        follow_head(aux, "aux_head", 2 * neck.channels, neck.strides, fail)


def build(section: NanoDetPlusSection) -> NanoDetPlus:
    backbone, neck, head = assemble(section)
    aux_head = build_head(section.aux_head, 2 * neck.channels, neck.strides, AUXILIARY_HEADS)
    return NanoDetPlus(backbone, neck, head, aux_head, section.detach_epoch)


PART = Part(NanoDetPlusSection, build)
