"""How much boxes overlap: all pairs, or box by box."""

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
    area_a = (a[:, 2:] - a[:, :2]).clamp(min=0).prod(dim=-1)[:, None]
    area_b = (b[:, 2:] - b[:, :2]).clamp(min=0).prod(dim=-1)[None]
    # side by side: operations on the two numbers of a corner are slow
    a_left, a_top, a_right, a_bottom = a[:, None].unbind(-1)
    left, top, right, bottom = b[None].unbind(-1)
    width = torch.minimum(a_right, right) - torch.maximum(a_left, left)
    height = torch.minimum(a_bottom, bottom) - torch.maximum(a_top, top)
    intersection = width.clamp_(min=0).mul_(height.clamp_(min=0))
    divisor = area_a if iof else area_a + area_b - intersection
    return intersection / divisor.clamp(min=EPS)


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
