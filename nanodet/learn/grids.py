"""The maps of one network at the points, and in the bins, of another that sees the same images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]


@dataclass(frozen=True)
class Grid:
    """The points of a network's levels.

    Attributes:
        size: (width, height) of its input.
        strides: network pixels per point of each level.
        offset: point (row i, column j) is at ((j + offset) s, (i + offset) s).
    """

    size: Size
    strides: tuple[int, ...]
    offset: float

    def shape(self, level: int) -> tuple[int, int]:
        """Return the (rows, columns) of a level."""
        width, height = (-(-side // self.strides[level]) for side in self.size)
        return height, width

    def maps(self, rows: Tensor) -> list[Tensor]:
        """Return rows (B, P, C) of all points as a map (B, C, rows, columns) of each level."""
        shapes = [self.shape(i) for i in range(len(self.strides))]
        parts = rows.split([h * w for h, w in shapes], dim=1)
        return [p.transpose(1, 2).unflatten(2, s) for p, s in zip(parts, shapes, strict=True)]


def factors(own: Grid, other: Grid) -> tuple[float, float]:
    """Return how many pixels of the other network are one of ours, (horizontal, vertical)."""
    return other.size[0] / own.size[0], other.size[1] / own.size[1]


def counterparts(own: Grid, other: Grid) -> list[int | None]:
    """Return for each level the other network's level whose points are as far apart in the image.

    Far apart is what counts, not the number of the level: of a network that sees the image at twice the
    size, stride 16 is our stride 8. None if the nearest one differs by a factor of more than
    ``sqrt(2)``: it finds objects of another size.
    """
    scale = math.sqrt(math.prod(factors(own, other)))
    found: list[int | None] = []
    for stride in own.strides:
        ratios = [abs(math.log2(theirs / scale / stride)) for theirs in other.strides]
        best = min(range(len(ratios)), key=ratios.__getitem__)
        found.append(best if ratios[best] <= 0.5 + 1e-6 else None)
    return found


def at_points(
    maps: Tensor, own: Grid, level: int, other: Grid, theirs: int
) -> tuple[Tensor, Tensor]:
    """Return the values of a map of the other network at the points of one of our levels.

    They are interpolated linearly. Of logits of an edge's bins, that moves a distribution: between two
    points, whose distances from the edge differ, lies one that is as wide as theirs.

    Args:
        maps: (B, C, rows, columns) of the other's level ``theirs``, or a part of its channels.
        own: our grid; level: the number of our level.
        other: the other's grid; theirs: the number of its level.

    Returns:
        (B, C, rows, columns) of our level, and bool (rows, columns): whether the point lies within the
        other's points; outside of them the nearest value stands.
    """
    shape, given = own.shape(level), other.shape(theirs)
    axes, inside = [], []
    for side, (count, theirs_count) in enumerate(zip(shape, given, strict=True)):
        scale = factors(own, other)[1 - side]
        at = (torch.arange(count, device=maps.device) + own.offset) * own.strides[level] * scale
        at = at / other.strides[theirs] - other.offset  # in points of the other
        axes.append((2 * at + 1) / theirs_count - 1)
        inside.append((at > -1e-3) & (at < theirs_count - 1 + 1e-3))
    within = inside[0][:, None] & inside[1]
    if shape == given and own.offset == other.offset and _same_spacing(own, level, other, theirs):
        return maps, within
    y, x = torch.meshgrid(axes[0], axes[1], indexing="ij")
    grid = torch.stack((x, y), dim=-1).to(maps.dtype).expand(len(maps), *shape, 2)
    sampled = F.grid_sample(maps, grid, padding_mode="border", align_corners=False)
    return sampled, within


def _same_spacing(own: Grid, level: int, other: Grid, theirs: int) -> bool:
    return all(own.strides[level] * scale == other.strides[theirs] for scale in factors(own, other))


def rebinned(logits: Tensor, ratios: Sequence[float], count: int) -> Tensor:
    """Return logits of bins that lie elsewhere, interpolated linearly between those that there are.

    Args:
        logits: (..., 4, bins) of left, top, right, bottom.
        ratios: for each of the four how many of its bins one of the wanted ones is long, above 0.
        count: of the wanted bins; the first is at 0 as it is in ``logits``.

    Returns:
        (..., 4, count). A bin beyond the last one of ``logits`` gets the lowest value of its edge: that
        network cannot say so far away.
    """
    bins = logits.shape[-1]
    if bins == count and all(ratio == 1 for ratio in ratios):
        return logits
    steps = torch.arange(count, device=logits.device)
    at = torch.tensor(ratios, device=logits.device)[:, None] * steps  # (4, count)
    low = at.floor().clamp(max=bins - 1).long()
    high = (low + 1).clamp(max=bins - 1)
    part = (at - low).to(logits.dtype)
    shape = (*logits.shape[:-1], count)
    first, second = (logits.gather(-1, index.expand(shape)) for index in (low, high))
    mixed = first.lerp(second, part.clamp(max=1))
    return torch.where(at > bins - 1 + 1e-3, logits.amin(dim=-1, keepdim=True), mixed)
