"""Adaptive Training Sample Selection: which points learn which box (Zhang et al., CVPR 2020)."""

import torch

from nanodet.model.losses import pairwise_iou

NEGATIVE = -1
LEFT_OUT = -2  # neither positive nor negative


def level_points(input_size, strides, offset, device):
    """Return the position and stride of every point.

    Args:
        input_size: (width, height) of the network's input.
        strides: network pixels per point of each level.
        offset: point (row i, column j) sits at ((j + offset) s, (i + offset) s).

    Returns:
        points float32 (P, 2) x, y in network pixels; units float32 (P,) strides; counts, points of
        each level.
    """
    width, height = input_size
    points, units, counts = [], [], []
    for stride in strides:
        x = (torch.arange(-(-width // stride), device=device) + offset) * stride
        y = (torch.arange(-(-height // stride), device=device) + offset) * stride
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        level = torch.stack((grid_x.flatten(), grid_y.flatten()), dim=1)
        points.append(level.float())
        units.append(level.new_full((len(level),), stride, dtype=torch.float32))
        counts.append(len(level))
    return torch.cat(points), torch.cat(units), counts


def cells_around(points, units, octave_base_scale):
    """Return one square per point, (P, 4) xyxy, with sides of ``octave_base_scale`` strides."""
    half = (units * octave_base_scale / 2)[:, None]
    return torch.cat((points - half, points + half), dim=1)


@torch.no_grad()
def assign_atss(cells, counts, boxes, ignored, topk=9, ignore_iof_thr=-1.0):
    """Choose the positives of one picture.

    Of each level the ``topk`` points nearest to a box's centre are its candidates. A candidate
    becomes positive when the IoU of its cell with the box reaches mean + standard deviation over
    the box's candidates and it lies inside the box; a point wanted by several boxes goes to the
    one of highest IoU.

    Args:
        cells: (P, 4) xyxy, the square of each point, levels one after the other.
        counts: points of each level.
        boxes: (N, 4) xyxy in network pixels.
        ignored: (M, 4) xyxy, regions that teach nothing.
        ignore_iof_thr: a cell that lies in an ignored region by more than this part of its area
            is left out, and so is a point inside one; negative: the regions are not looked at.

    Returns:
        int64 (P,): index of the box, or `NEGATIVE`, or `LEFT_OUT`.
    """
    assigned = torch.full((len(cells),), NEGATIVE, dtype=torch.int64, device=cells.device)
    if len(boxes):
        centres = (cells[:, :2] + cells[:, 2:]) / 2
        iou = pairwise_iou(cells, boxes)
        candidates = _nearest(centres, counts, boxes, topk)  # (K, N)
        candidate_iou = iou.gather(0, candidates)
        threshold = candidate_iou.mean(dim=0)
        if len(candidates) > 1:
            threshold = threshold + candidate_iou.std(dim=0)
        near, far = centres[candidates] - boxes[:, :2], boxes[:, 2:] - centres[candidates]
        inside = torch.minimum(near, far).amin(dim=-1) > 0.01
        chosen = (candidate_iou >= threshold) & inside
        wanted = torch.full_like(iou, -1.0)
        wanted.scatter_(0, candidates, torch.where(chosen, candidate_iou, -1.0))
        best_iou, best = wanted.max(dim=1)
        assigned = torch.where(best_iou >= 0, best, assigned)
    if len(ignored) and ignore_iof_thr >= 0:
        covered = pairwise_iou(cells, ignored, iof=True).amax(dim=1) > ignore_iof_thr
        # a region smaller than the cells covers none of them, and yet hides what is in it
        centres = (cells[:, None, :2] + cells[:, None, 2:]) / 2
        near, far = centres - ignored[:, :2], ignored[:, 2:] - centres
        inside = (torch.minimum(near, far).amin(dim=-1) > 0).any(dim=1)
        assigned[covered | inside] = LEFT_OUT
    return assigned


def _nearest(centres, counts, boxes, topk):
    """Return the indices of each level's nearest points to each box's centre, (K, N)."""
    box_centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = (centres[:, None] - box_centres[None]).pow(2).sum(dim=-1).sqrt()
    nearest, start = [], 0
    for count in counts:
        level = distance[start : start + count]
        nearest.append(level.topk(min(topk, count), dim=0, largest=False).indices + start)
        start += count
    return torch.cat(nearest)
