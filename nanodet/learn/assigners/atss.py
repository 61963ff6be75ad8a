"""Adaptive Training Sample Selection (Zhang et al., CVPR 2020)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nanodet.config.keys import key
from nanodet.learn.assigners.assigner import CELL, BatchAssigner
from nanodet.learn.assigners.ignored import THRESHOLD_TEXT, in_ignored
from nanodet.learn.iou import iou_of_sides
from nanodet.learn.points import Points, inside
from nanodet.learn.targets import LEFT_OUT, MOST_PAIRS, NEGATIVE, Assignment, GroundTruths
from nanodet.model.part import Part

TOPK, IGNORE = 9, 0.5
INSIDE = 0.01  # pixels from the edges of a box that still count as outside


@dataclass
class Section:
    name: str = key("ATSS", "positives by geometry", ours=True)
    topk: int = key(TOPK, "candidates per box and level", 1, 1000)
    octave_base_scale: int = key(CELL, "side of a point's cell in strides", 1, 1024, ours=True)
    ignore_iof_thr: float = key(IGNORE, f"a point whose cell {THRESHOLD_TEXT}", -1, 1)


class Atss(BatchAssigner):
    """Positives by geometry alone.

    The ``topk`` points of each level that are nearest to a box's centre are its candidates. A candidate
    becomes positive if the IoU of its cell with the box is at least mean + standard deviation over the
    box's candidates and it lies inside the box; a point that is positive for several boxes is assigned
    to the one with the highest IoU.

    Args:
        topk: candidates per level.
        octave_base_scale: side of a point's square cell in strides.
        ignore_iof_thr: a cell that lies in an ignored region by more than this part of its area
            is left out, and so is a point inside one; negative: the regions are not used.
    """

    def __init__(
        self, topk: int = TOPK, octave_base_scale: float = CELL, ignore_iof_thr: float = IGNORE
    ) -> None:
        self.topk, self.cell = topk, octave_base_scale
        self.ignore_iof_thr = ignore_iof_thr

    @torch.no_grad()
    def assign_batch(
        self,
        points: Points,
        truths: GroundTruths,
        logits: Tensor | None = None,
        boxes: Tensor | None = None,
    ) -> Assignment:
        """Return the `Assignment` of a batch; predictions are not used."""
        positions, shape = points.positions, (len(truths.each), len(points.strides))
        half = (points.strides * self.cell / 2)[:, None]
        cells = torch.cat((positions - half, positions + half), dim=1)
        matched = truths.labels.new_full(shape, NEGATIVE)
        if count := len(truths.boxes):
            candidates = _nearest(points, truths.boxes, self.topk)  # (K, N)
            iou = iou_of_sides(cells[candidates].unbind(-1), truths.boxes.unbind(-1))
            threshold = iou.mean(dim=0)
            if len(candidates) > 1:
                threshold = threshold + iou.std(dim=0)
            chosen = (iou >= threshold) & inside(positions[candidates], truths.boxes, INSIDE)
            iou = torch.where(chosen, iou, -1.0).flatten()
            at = (candidates + truths.images * shape[1]).flatten()  # in the points of all images
            best = iou.new_full((matched.numel(),), -1.0).scatter_reduce_(0, at, iou, "amax")
            # of several boxes with the highest IoU the first
            box = torch.arange(count, device=at.device).expand_as(candidates).flatten()
            box = torch.where((iou >= 0) & (iou == best[at]), box, count)
            first = matched.new_full(best.shape, count).scatter_reduce_(0, at, box, "amin")
            matched = torch.where(first < count, first, NEGATIVE).view(shape)
        if len(truths.ignored) and self.ignore_iof_thr >= 0:
            areas = cells.expand(*shape, 4)
            ignored = in_ignored(areas, positions, truths, self.ignore_iof_thr)
            matched = matched.masked_fill(ignored, LEFT_OUT)
        return Assignment(matched)


def _nearest(points: Points, boxes: Tensor, topk: int) -> Tensor:
    """Return the indices of each level's nearest points to each box's centre, (K, N)."""
    x, y = points.positions.unbind(1)
    found = []
    for some in boxes.split(max(MOST_PAIRS // len(x), 1)):
        centre_x, centre_y = ((some[:, :2] + some[:, 2:]) / 2)[:, None].unbind(-1)
        distance = ((x - centre_x).square_() + (y - centre_y).square_()).sqrt_()
        # levels differ in their number of points: one selection for all of them would take as long as
        # if all were as large as the first
        nearest, start = [], 0
        for level in distance.split(points.counts, dim=1):
            size = level.shape[1]
            nearest.append(level.topk(min(topk, size), dim=1, largest=False).indices + start)
            start += size
        found.append(torch.cat(nearest, dim=1))
    return torch.cat(found).T.contiguous()


PART = Part(
    Section,
    lambda section: Atss(section.topk, section.octave_base_scale, section.ignore_iof_thr),
)
