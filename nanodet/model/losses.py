"""Generalized Focal Loss and GIoU, elementwise; weights and denominators are the criterion's.

Equation numbers are those of "Generalized Focal Loss: Towards Efficient Representation Learning
for Dense Object Detection" (TPAMI 2023).
"""

import torch
from torch.nn import functional as F


def quality_focal_loss(logits, quality, beta=2.0):
    """Quality Focal Loss (eq. 9): ``|y - s|^beta * BCE(s, y)`` with ``s = sigmoid(logits)``.

    Args:
        logits: (...), any shape.
        quality: the same shape, y in 0..1: the IoU at the true class, 0 elsewhere.
        beta: how strongly easy examples are down-weighted, >= 0.

    Returns:
        (...), >= 0, and 0 where s = y = 0 or s = y = 1.
    """
    distance = (quality - logits.sigmoid()).abs()
    entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    # torch.pow keeps a generic power's slow backward; the paper's beta is a square
    return distance.square() * entropy if beta == 2 else distance.pow(beta) * entropy


def distribution_focal_loss(logits, target):
    """Distribution Focal Loss (eq. 10): cross entropy with the two bins around the target.

    Args:
        logits: (N, n + 1), the edge's distribution before softmax.
        target: (N,), distance in units of the stride, 0 <= target < n.

    Returns:
        (N,), >= 0.
    """
    left = target.long()
    weight_right = target - left
    log_p = F.log_softmax(logits, dim=-1)
    log_left = log_p.gather(-1, left[:, None]).squeeze(-1)
    log_right = log_p.gather(-1, left[:, None] + 1).squeeze(-1)
    return -((1 - weight_right) * log_left + weight_right * log_right)


def pairwise_iou(a, b, iof=False):
    """Return the IoU of every box of ``a`` with every box of ``b``.

    Args:
        a: (N, 4) xyxy; b: (M, 4) xyxy.
        iof: divide by the area of ``a`` (intersection over foreground) instead of the union.

    Returns:
        (N, M), 0..1.
    """
    size = torch.minimum(a[:, None, 2:], b[None, :, 2:]) - torch.maximum(
        a[:, None, :2], b[None, :, :2]
    )
    intersection = size.clamp(min=0).prod(dim=-1)
    area_a = (a[:, 2:] - a[:, :2]).clamp(min=0).prod(dim=-1)[:, None]
    area_b = (b[:, 2:] - b[:, :2]).clamp(min=0).prod(dim=-1)[None]
    divisor = area_a if iof else area_a + area_b - intersection
    return intersection / divisor.clamp(min=1e-6)


def aligned_iou_giou(a, b):
    """Return IoU (0..1) and GIoU (-1..1; Rezatofighi et al. 2019) of box i of ``a`` and of ``b``.

    Args:
        a, b: (N, 4) xyxy.

    Returns:
        two tensors (N,).
    """
    inner = torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])
    intersection = inner.clamp(min=0).prod(dim=-1)
    area_a = (a[:, 2:] - a[:, :2]).prod(dim=-1)
    area_b = (b[:, 2:] - b[:, :2]).prod(dim=-1)
    union = (area_a + area_b - intersection).clamp(min=1e-6)
    iou = intersection / union
    outer = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    hull = outer.clamp(min=0).prod(dim=-1).clamp(min=1e-6)
    return iou, iou - (hull - union) / hull
