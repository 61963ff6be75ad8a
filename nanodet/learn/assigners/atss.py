"""Adaptive Training Sample Selection (Zhang et al., CVPR 2020)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nanodet.config.keys import key
from nanodet.learn.assigners.assigner import Assigner
from nanodet.learn.assigners.ignored import THRESHOLD_TEXT, in_ignored
from nanodet.learn.iou import pairwise_iou
from nanodet.learn.points import Points, inside
from nanodet.learn.targets import LEFT_OUT, NEGATIVE, Assignment, GroundTruth
from nanodet.model.part import Part

TOPK, CELL, IGNORE = 9, 5, 0.5
INSIDE = 0.01  # pixels from the edges of a box that still count as outside


@dataclass
class Section:
    name: str = key("ATSS", "positives by geometry", ours=True)
    topk: int = key(TOPK, "candidates per box and level", 1, 1000)
    octave_base_scale: int = key(CELL, "side of a point's cell in strides", 1, 1024, ours=True)
    ignore_iof_thr: float = key(IGNORE, f"a point whose cell {THRESHOLD_TEXT}", -1, 1)


class Atss(Assigner):
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
        self.topk, self.octave_base_scale = topk, octave_base_scale
        self.ignore_iof_thr = ignore_iof_thr

    @torch.no_grad()
    def assign(
        self,
        points: Points,
        truth: GroundTruth,
        logits: Tensor | None = None,
        boxes: Tensor | None = None,
    ) -> Assignment:
        """Return the `Assignment` of one image; predictions are not used."""
        positions = points.positions
        half = (points.strides * self.octave_base_scale / 2)[:, None]
        cells = torch.cat((positions - half, positions + half), dim=1)
        matched = positions.new_full((len(positions),), NEGATIVE, dtype=torch.int64)
        if len(truth.boxes):
            iou = pairwise_iou(cells, truth.boxes)
            candidates = _nearest(points, truth.boxes, self.topk)  # (K, N)
            candidate_iou = iou.gather(0, candidates)
            threshold = candidate_iou.mean(dim=0)
            if len(candidates) > 1:
                threshold = threshold + candidate_iou.std(dim=0)
            chosen = candidate_iou >= threshold
            chosen &= inside(positions[candidates], truth.boxes, INSIDE)
            wanted = torch.full_like(iou, -1.0)
            wanted.scatter_(0, candidates, torch.where(chosen, candidate_iou, -1.0))
            best_iou, best = wanted.max(dim=1)
            matched = torch.where(best_iou >= 0, best, matched)
        if len(truth.ignored) and self.ignore_iof_thr >= 0:
            matched[in_ignored(cells, positions, truth.ignored, self.ignore_iof_thr)] = LEFT_OUT
        return Assignment(matched)


def _nearest(points, boxes, topk):
    """Return the indices of each level's nearest points to each box's centre, (K, N)."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = (points.positions[:, None] - centres[None]).pow(2).sum(dim=-1).sqrt()
    nearest, start = [], 0
    for level in distance.split(points.counts):
        nearest.append(level.topk(min(topk, len(level)), dim=0, largest=False).indices + start)
        start += len(level)
    return torch.cat(nearest)


PART = Part(
    Section,
    lambda section: Atss(section.topk, section.octave_base_scale, section.ignore_iof_thr),
)
