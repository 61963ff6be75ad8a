"""The points of a network's output: their positions in its input."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Points:
    """P points of all levels, one level after the other, each row by row.

    Attributes:
        positions: float32 (P, 2) x, y in network pixels.
        strides: float32 (P,), network pixels between a point and its neighbours.
        counts: points of each level.
    """

    positions: Tensor
    strides: Tensor
    counts: tuple[int, ...]

    def boxes(self, distances: Tensor) -> Tensor:
        """Return xyxy (..., P, 4) in pixels from left, top, right, bottom (..., P, 4) in strides."""
        return boxes_around(self.positions, distances * self.strides[:, None])


def level_points(
    size: tuple[int, int], strides: Sequence[int], offset: float, device: torch.device | str
) -> Points:
    """Return the points of every level.

    Args:
        size: (width, height) of the network's input.
        strides: network pixels per point of each level.
        offset: point (row i, column j) is at ((j + offset) s, (i + offset) s).
        device: of the tensors.
    """
    return _level_points(tuple(size), tuple(strides), offset, torch.device(device))


@functools.lru_cache(maxsize=64)  # every step asks, for one of a few sizes
@torch.inference_mode(False)  # a training may be the next to use them
def _level_points(
    size: tuple[int, int], strides: tuple[int, ...], offset: float, device: torch.device
) -> Points:
    width, height = size
    positions, units, counts = [], [], []
    for stride in strides:
        x = (torch.arange(-(-width // stride), device=device) + offset) * stride
        y = (torch.arange(-(-height // stride), device=device) + offset) * stride
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        level = torch.stack((grid_x.flatten(), grid_y.flatten()), dim=1)
        positions.append(level.float())
        units.append(level.new_full((len(level),), stride, dtype=torch.float32))
        counts.append(len(level))
    return Points(torch.cat(positions), torch.cat(units), tuple(counts))


def boxes_around(positions: Tensor, distances: Tensor) -> Tensor:
    """Return xyxy (..., N, 4) from points (N, 2) and distances left, top, right, bottom (..., N, 4)."""
    return torch.cat((positions - distances[..., :2], positions + distances[..., 2:]), dim=-1)


def edge_distances(positions: Tensor, boxes: Tensor) -> Tensor:
    """Return the distances left, top, right, bottom (N, 4) of points (N, 2) from xyxy boxes (N, 4)."""
    return torch.cat((positions - boxes[:, :2], boxes[:, 2:] - positions), dim=1)


def centerness(distances: Tensor) -> Tensor:
    """Return how central points are in their boxes, 0..1: 1 in the middle (FCOS, Tian et al., ICCV 2019).

    ``sqrt(min(l, r) / max(l, r) min(t, b) / max(t, b))`` of distances left, top, right, bottom (N, 4); 0
    outside.
    """
    ends = distances.clamp(min=0).view(-1, 2, 2)  # (left, top), (right, bottom)
    least, most = ends.amin(dim=1), ends.amax(dim=1)
    return (least / most.clamp(min=1e-6)).prod(dim=1).sqrt()


def inside(positions: Tensor, boxes: Tensor, margin: float = 0.0) -> Tensor:
    """Return whether each point lies inside each box, more than ``margin`` from all its edges.

    Args:
        positions: (..., 2) x, y, that broadcasts with the boxes' ``(..., 4)`` but for the last axis.
        boxes: (..., 4) xyxy.
    """
    x, y = positions.unbind(-1)
    left, top, right, bottom = boxes.unbind(-1)
    across = torch.minimum(x - left, right - x)
    return torch.minimum(across, torch.minimum(y - top, bottom - y)) > margin
