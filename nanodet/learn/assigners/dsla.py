"""Dynamic soft label assignment: the points whose predictions fit a box best learn it (NanoDet-Plus)."""

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
    name: str = key("DSLA", "positives by how well predictions fit", ours=True)
    topk: int = key(TOPK, "predictions of a box whose IoUs sum to its number of points", 1, 1000)
    iou_factor: float = key(
        IOU_FACTOR, "weight of -log IoU in the cost, relative to the class's", 0, MUCH
    )
    ignore_iof_thr: float = key(IGNORE, f"a point whose predicted box {THRESHOLD_TEXT}", -1, 1)


class Dsla(Assigner):
    """Positives by what the network says.

    The candidates are the points that lie inside a box, be it another one. What a point costs a box is
    the Quality Focal Loss, over all classes, of its scores against the IoU of its predicted box at the
    box's class, and ``iou_factor`` times the negative logarithm of that IoU. A box wants its k cheapest
    candidates, where k is the sum of its ``topk`` highest IoUs, rounded down, and at least 1. A point
    wanted by several boxes goes to the one that it costs least, of all boxes. The score to learn is
    the IoU.

    Args:
        topk: the most points of a box.
        iou_factor: weight of the boxes in the cost.
        ignore_iof_thr: a point whose predicted box lies in an ignored region by more than this part of
            its area is left out, and so is a point inside one; negative: the regions are not looked at.
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
        """Return the `Assignment` of one image, from the predictions that guide it."""
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
        """Return what each of V candidates costs each of N boxes, (N, V)."""
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
