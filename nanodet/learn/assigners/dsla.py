"""Dynamic soft label assignment (NanoDet-Plus): positives are the points whose predictions fit a box best."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from nanodet.config.keys import MUCH, key
from nanodet.learn.assigners.assigner import BatchAssigner
from nanodet.learn.assigners.ignored import THRESHOLD_TEXT, in_ignored
from nanodet.learn.iou import iou_of_sides
from nanodet.learn.losses.quality_focal import quality_focal_loss
from nanodet.learn.points import Points, inside
from nanodet.learn.targets import LEFT_OUT, NEGATIVE, Assignment, GroundTruths
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


class Dsla(BatchAssigner):
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
    def assign_batch(
        self,
        points: Points,
        truths: GroundTruths,
        logits: Tensor | None = None,
        boxes: Tensor | None = None,
    ) -> Assignment:
        """Return the `Assignment` of a batch, from the guiding predictions."""
        assert logits is not None and boxes is not None  # see needs_predictions
        matched, quality = [], []
        for images, some in truths.parts(len(points.strides)):
            image = truths.images[some] - images.start
            given = truths.boxes[some, None].unbind(-1)
            box, iou = self._match(
                points, given, truths.labels[some], image, logits[images], boxes[images]
            )
            matched.append(torch.where(box >= 0, box + some.start, NEGATIVE))
            quality.append(iou)
        found = torch.cat(matched)
        if len(truths.ignored) and self.ignore_iof_thr >= 0:
            ignored = in_ignored(boxes, points.positions, truths, self.ignore_iof_thr)
            found = found.masked_fill(ignored, LEFT_OUT)
        return Assignment(found, torch.cat(quality))

    def _match(self, points, given, labels, image, logits, boxes):
        """Return the box of each point, int64 (B, P) or `NEGATIVE`, and its IoU there, of B images.

        Args:
            given: sides of the N boxes, (N, 1) each; labels, image: (N,), their classes and images.
            logits, boxes: (B, P, C) and (B, P, 4), predictions.
        """
        shape, count = logits.shape[:2], len(labels)
        none = labels.new_full(shape, NEGATIVE)
        if not count:
            return none, torch.zeros(shape, device=logits.device)
        within = inside(points.positions, torch.stack(given, dim=-1))
        learning = logits.new_zeros(shape).index_add_(0, image, within.float()) > 0
        candidate = learning[image]
        sides = boxes.permute(2, 0, 1).contiguous()[:, image]
        iou = torch.where(candidate, iou_of_sides(given, sides), 0.0)  # (N, P)
        background = _of_background(logits, learning)[image]
        cost = self._cost(logits[image, :, labels], iou, background)
        cost = cost.masked_fill_(~candidate, torch.inf)

        topk = min(self.topk, shape[1])
        counts = iou.topk(topk, dim=1).values.sum(dim=1).int().clamp(min=1)
        cheapest = cost.topk(topk, dim=1, largest=False).indices
        wanted = torch.arange(topk, device=cost.device) < counts[:, None]
        wanted &= candidate.gather(1, cheapest)  # of fewer candidates the others are none
        rows = torch.arange(count, device=cost.device)[:, None]
        at = (cheapest + image[:, None] * shape[1]).flatten()  # in the points of all images
        wants = torch.where(wanted, rows, NEGATIVE).flatten()
        box = none.flatten().scatter_reduce_(0, at, wants, "amax").view(shape)
        times = torch.zeros_like(none).flatten().scatter_add_(0, at, wanted.flatten().long())
        times = times.view(shape)
        box = torch.where(times > 1, _cheapest_box(cost, image, shape), box)
        quality = iou.gather(0, box.clamp(min=0))
        return box, torch.where(times > 0, quality, 0)

    def _cost(self, logits, iou, background):
        """Return the cost of each of P points for each of N boxes, (N, P).

        The label is the IoU at the class of the box and 0 elsewhere: only one class differs by box, and
        ``logits`` (N, P) are of that class.
        """
        classes = background - _qfl_of_0(logits) + quality_focal_loss(logits, iou)
        return classes - self.iou_factor * (iou + EPS).log()


def _of_background(logits, learning):
    """Return the loss of each candidate's C scores with labels 0, (B, P); of the others it is any number."""
    rows = logits.flatten(0, 1)
    if rows.device.type != "cpu":
        return _qfl_of_0(rows).sum(dim=1).view(learning.shape)
    chosen = learning.flatten().nonzero().squeeze(1)  # faster where it waits for no device
    loss = rows.new_zeros(len(rows))
    loss[chosen] = _qfl_of_0(rows[chosen]).sum(dim=1)
    return loss.view(learning.shape)


def _qfl_of_0(logits):
    return logits.sigmoid().square_().mul_(F.softplus(logits))


def _cheapest_box(cost, image, shape):
    """Return the box, of all boxes of the image, for which each point costs least, int64 (B, P)."""
    rows = image[:, None].expand_as(cost)
    least = cost.new_full(shape, torch.inf).scatter_reduce_(0, rows, cost, "amin")
    # of several the first
    box = torch.arange(len(cost), device=cost.device)[:, None]
    last = box[-1]
    box = torch.where(cost == least[image], box, last)
    return image.new_full(shape, 0).add_(last).scatter_reduce_(0, rows, box, "amin")


PART = Part(Section, lambda section: Dsla(section.topk, section.iou_factor, section.ignore_iof_thr))
