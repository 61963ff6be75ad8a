"""The ground truth of an image, the targets of its points, and the targets of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NEGATIVE = -1  # background
LEFT_OUT = -2  # not trained


@dataclass(frozen=True)
class GroundTruth:
    """The annotations of one image.

    Attributes:
        boxes: float32 (N, 4) xyxy in network pixels.
        labels: int64 (N,), classes.
        ignored: float32 (M, 4) xyxy, regions whose points are not trained.
    """

    boxes: Tensor
    labels: Tensor
    ignored: Tensor


@dataclass(frozen=True)
class Assignment:
    """The targets of the P points of one image.

    Attributes:
        matched: int64 (P,), the index of the box of each positive, else `NEGATIVE` or `LEFT_OUT`.
        quality: float32 (P,), 0..1, the target score of a positive; None: the IoU of the
            prediction there with its box.
    """

    matched: Tensor
    quality: Tensor | None = None


@dataclass(frozen=True)
class Targets:
    """The targets of the points of a batch of B images.

    Attributes:
        positive: int64 (K,), indices into the flattened (B P) points.
        labels: int64 (K,), class of each positive.
        boxes: float32 (K, 4) xyxy in network pixels.
        quality: float32 (K,), see `Assignment`.
        left_out: bool (B P,), points that are not trained; None if no image has an ignored region.
        counts: positives of each image.
    """

    positive: Tensor
    labels: Tensor
    boxes: Tensor
    quality: Tensor | None
    left_out: Tensor | None
    counts: tuple[int, ...]


def batch_targets(assignments: Sequence[Assignment], truths: Sequence[GroundTruth]) -> Targets:
    """Join the assignments of the images of a batch."""
    matched = [assignment.matched for assignment in assignments]
    chosen = [(one >= 0).nonzero().squeeze(1) for one in matched]
    boxes = [one[some] for one, some in zip(matched, chosen, strict=True)]
    qualities = [
        assignment.quality[some]
        for assignment, some in zip(assignments, chosen, strict=True)
        if assignment.quality is not None
    ]
    left_out = any(len(truth.ignored) for truth in truths)
    return Targets(
        torch.cat([some + i * len(matched[i]) for i, some in enumerate(chosen)]),
        torch.cat([truth.labels[one] for truth, one in zip(truths, boxes, strict=True)]),
        torch.cat([truth.boxes[one] for truth, one in zip(truths, boxes, strict=True)]),
        torch.cat(qualities) if qualities else None,
        torch.cat(matched) == LEFT_OUT if left_out else None,
        tuple(map(len, chosen)),
    )
