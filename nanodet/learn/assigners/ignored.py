"""Ignored regions: predictions there are neither right nor wrong."""

from torch import Tensor

from nanodet.learn.iou import iou_of_sides
from nanodet.learn.points import inside
from nanodet.learn.targets import MOST_PAIRS, GroundTruths

THRESHOLD_TEXT = (
    "lies in an ignored region (crowd, difficult) by more than this fraction is not trained; -1: such "
    "regions are background, the original's default"
)


def in_ignored(areas: Tensor, positions: Tensor, truths: GroundTruths, threshold: float) -> Tensor:
    """Return which points belong to ignored regions, bool (B, P).

    Args:
        areas: (B, P, 4) xyxy, the area that each point of each image represents.
        positions: (P, 2) x, y of the points.
        truths: of the batch.
        threshold: a point belongs to a region when more than this part of its area, 0..1, lies in it,
            and so does a point inside one.
    """
    regions = areas.new_zeros(areas.shape[:2])  # of each point
    most = max(MOST_PAIRS // len(positions), 1)
    for ignored, image in zip(
        truths.ignored[:, None].split(most), truths.ignored_images.split(most), strict=True
    ):
        sides = areas.unbind(-1)
        covered = iou_of_sides([side[image] for side in sides], ignored.unbind(-1), iof=True)
        # a region smaller than the areas covers none of them, but the points in it must be ignored
        within = (covered > threshold) | inside(positions, ignored)
        regions.index_add_(0, image, within.float())
    return regions > 0
