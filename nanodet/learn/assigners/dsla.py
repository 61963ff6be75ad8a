"""Dynamic soft label assignment (NanoDet-Plus): positives are the points whose predictions fit a box best."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nanodet.config.keys import MUCH, key
from nanodet.learn.assigners.assigner import Assigner
from nanodet.learn.assigners.ignored import THRESHOLD_TEXT, in_ignored
from nanodet.learn.iou import pairwise_iou
from nanodet.learn.losses.quality_focal import quality_focal_loss
from nanodet.learn.points import Points, inside
from nanodet.learn.targets import LEFT_OUT, NEGATIVE, Assignment, GroundTruth
from nanodet.model.part import Part

TOPK, IOU_FACTOR, IGNORE = 13, 3.0, 0.5
EPS = 1e-7  # added to the IoU before its logarithm


@dataclass
class Section:
    name: str = key("DSLA", "positives by predictions", ours=True)
    topk: int = key(
        TOPK, "number of highest IoUs per box, whose sum is the number of its positives", 1, 1000
    )
    iou_factor: float = key(
        IOU_FACTOR, "weight of -log IoU in the cost, relative to the class cost", 0, MUCH
    )
    ignore_iof_thr: float = key(IGNORE, f"a point whose predicted box {THRESHOLD_TEXT}", -1, 1)


class Dsla(Assigner):
    """Positives by the predictions of the network.

    The candidates of every box are the points that lie inside any box. The cost of a point for a box is
    the Quality Focal Loss, over all classes, of its scores with the IoU of its predicted box as target
    at the box's class, plus ``iou_factor`` times the negative logarithm of that IoU. A box takes its k
    candidates of lowest cost, where k is the sum of its ``topk`` highest IoUs, rounded down, and at
    least 1. A point taken by several boxes is assigned to the box, of all boxes, for which its cost is
    lowest. The target score is the IoU.

    Args:
        topk: largest number of points per box.
        iou_factor: weight of the boxes in the cost.
        ignore_iof_thr: a point whose predicted box lies in an ignored region by more than this part of
            its area is left out, and so is a point inside one; negative: the regions are not used.
    """

    needs_predictions = True
    at_least_one: Literal["image", "batch"] = "batch"

    def __init__(
        self, topk: int = TOPK, iou_factor: float = IOU_FACTOR, ignore_iof_thr: float = IGNORE
    ) -> None:
        self.topk, self.iou_factor, self.ignore_iof_thr = topk, iou_factor, ignore_iof_thr

    @torch.no_grad()
    def assign(
        self,
        points: Points,
        truth: GroundTruth,
        logits: Tensor | None = None,
        boxes: Tensor | None = None,
    ) -> Assignment:
        """Return the `Assignment` of one image, from the guiding predictions."""
        assert logits is not None and boxes is not None  # see needs_predictions
        positions = points.positions
        matched = positions.new_full((len(positions),), NEGATIVE, dtype=torch.int64)
        quality = torch.zeros_like(points.strides)
        candidates = inside(positions[:, None], truth.boxes).any(dim=1).nonzero().squeeze(1)
        if len(candidates):
            iou = pairwise_iou(truth.boxes, boxes[candidates])  # (N, V)
            cost = self._cost(logits[candidates], iou, truth.labels)
            matched[candidates], quality[candidates] = _match(cost, iou, self.topk)
        if len(truth.ignored) and self.ignore_iof_thr >= 0:
            matched[in_ignored(boxes, positions, truth.ignored, self.ignore_iof_thr)] = LEFT_OUT
        return Assignment(matched, quality)

    def _cost(self, logits, iou, labels):
        """Return the cost of each of V candidates for each of N boxes, (N, V)."""
        # the label is the IoU at the class of the box and 0 elsewhere: only one class differs by box
        background = quality_focal_loss(logits, torch.zeros_like(logits))
        classes = background.sum(dim=1) - background.T[labels]
        classes += quality_focal_loss(logits.T[labels], iou)
        return classes - self.iou_factor * (iou + EPS).log()


def _match(cost, iou, topk):
    """Return the box of each candidate, int64 (V,) or `NEGATIVE`, and its IoU there, (V,)."""
    topk = min(topk, cost.shape[1])
    counts = iou.topk(topk, dim=1).values.sum(dim=1).int().clamp(min=1)
    cheapest = cost.topk(topk, dim=1, largest=False).indices
    wanted = torch.arange(topk, device=cost.device) < counts[:, None]
    rows = torch.arange(len(cost), device=cost.device)[:, None]
    wants = torch.where(wanted, rows, NEGATIVE)
    cheapest, none = cheapest.flatten(), rows.new_full((cost.shape[1],), NEGATIVE)
    box = none.scatter_reduce(0, cheapest, wants.flatten(), "amax")
    times = torch.zeros_like(none).scatter_add_(0, cheapest, wanted.flatten().long())
    box = torch.where(times > 1, cost.min(dim=0).indices, box)
    quality = iou.gather(0, box.clamp(min=0)[None])[0]
    return box, torch.where(times > 0, quality, 0)


PART = Part(Section, lambda section: Dsla(section.topk, section.iou_factor, section.ignore_iof_thr))
