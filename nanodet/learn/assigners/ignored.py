"""Ignored regions: predictions there are neither right nor wrong."""

from torch import Tensor

from nanodet.learn.iou import pairwise_iou
from nanodet.learn.points import inside

THRESHOLD_TEXT = (
    "lies in an ignored region (crowd, difficult) by more than this fraction is not trained; -1: such "
    "regions are background, the original's default"
)


def in_ignored(areas: Tensor, positions: Tensor, ignored: Tensor, threshold: float) -> Tensor:
    """Return which points belong to ignored regions, bool (P,).

    Args:
        areas: (P, 4) xyxy, the area that each point represents.
        positions: (P, 2) x, y of the points.
        ignored: (M, 4) xyxy, at least one region.
        threshold: a point belongs to a region when more than this part of its area, 0..1, lies in it,
            and so does a point inside one.
    """
    covered = pairwise_iou(areas, ignored, iof=True).amax(dim=1) > threshold
    # a region smaller than the areas covers none of them, but the points in it must be ignored
    return covered | inside(positions[:, None], ignored).any(dim=1)
