"""How much boxes overlap: of any pairs, all pairs, or box by box."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

EPS = 1e-6  # areas are divided by at least this


def pairwise_iou(a: Tensor, b: Tensor, iof: bool = False) -> Tensor:
    """Return the IoU of every box of ``a`` with every box of ``b``.

    Args:
        a: (N, 4) xyxy; b: (M, 4) xyxy.
        iof: divide by the area of ``a`` (intersection over foreground) instead of the union.

    Returns:
        (N, M), 0..1.
    """
    return iou_of_sides(a[:, None].unbind(-1), b[None].unbind(-1), iof)


def iou_of_sides(a: Sequence[Tensor], b: Sequence[Tensor], iof: bool = False) -> Tensor:
    """Return the IoU of boxes given by their left, top, right and bottom, four tensors that broadcast.

    Operations on sides are faster than those on the two numbers of a corner. ``iof`` as in `pairwise_iou`.
    """
    a_left, a_top, a_right, a_bottom = a
    left, top, right, bottom = b
    area_a = (a_right - a_left).clamp_(min=0) * (a_bottom - a_top).clamp_(min=0)
    width = torch.minimum(a_right, right) - torch.maximum(a_left, left)
    height = torch.minimum(a_bottom, bottom) - torch.maximum(a_top, top)
    intersection = width.clamp_(min=0).mul_(height.clamp_(min=0))
    if iof:
        return intersection / area_a.clamp(min=EPS)
    area_b = (right - left).clamp_(min=0) * (bottom - top).clamp_(min=0)
    return intersection / (area_a + area_b - intersection).clamp_(min=EPS)


def diou(a: Tensor, b: Tensor) -> Tensor:
    """Return the IoU of boxes less ``(d / c)^2``, -1..1 (Zheng et al., AAAI 2020).

    d is the distance of their centres, c the diagonal of the smallest box around both.

    Args:
        a, b: xyxy (..., 4), that broadcast.
    """
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    far = apart.square().sum(dim=-1) / hull.square().sum(dim=-1).clamp(min=EPS)
    return iou_of_sides(a.unbind(-1), b.unbind(-1)) - far


class Overlap(NamedTuple):
    """Of boxes (N, 4) with others, box by box.

    Attributes:
        iou: (N,), 0..1.
        union: (N,), area.
        hull: (N, 2), width and height of the smallest box around both.
    """

    iou: Tensor
    union: Tensor
    hull: Tensor


def overlap(a: Tensor, b: Tensor) -> Overlap:
    """Return the `Overlap` of box i of ``a`` with box i of ``b``, both (N, 4) xyxy."""
    inner = torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])
    intersection = inner.clamp(min=0).prod(dim=-1)
    area_a = (a[:, 2:] - a[:, :2]).prod(dim=-1)
    area_b = (b[:, 2:] - b[:, :2]).prod(dim=-1)
    union = (area_a + area_b - intersection).clamp(min=EPS)
    outer = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    return Overlap(intersection / union, union, outer.clamp(min=0))
