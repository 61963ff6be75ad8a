"""What an image shows, which points learn it, and both for a whole batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NEGATIVE = -1  # learns that there is nothing
LEFT_OUT = -2  # learns nothing


@dataclass(frozen=True)
class GroundTruth:
    """The annotations of one image.

    Attributes:
        boxes: float32 (N, 4) xyxy in network pixels.
        labels: int64 (N,), classes.
        ignored: float32 (M, 4) xyxy, regions that teach nothing.
    """

    boxes: Tensor
    labels: Tensor
    ignored: Tensor


@dataclass(frozen=True)
class Assignment:
    """What the P points of one image learn.

    Attributes:
        matched: int64 (P,), the index of the box of each positive, else `NEGATIVE` or `LEFT_OUT`.
        quality: float32 (P,), 0..1, the score that a positive is to have; None: the IoU of the
            prediction there with its box.
    """

    matched: Tensor
    quality: Tensor | None = None


@dataclass(frozen=True)
class Targets:
    """What the points of a batch of B images learn.

    Attributes:
        positive: int64 (K,), indices into the flattened (B P) points.
        labels: int64 (K,), class of each positive.
        boxes: float32 (K, 4) xyxy in network pixels.
        quality: float32 (K,), see `Assignment`.
        left_out: bool (B P,), points that teach nothing; None where the images have no ignored region.
        counts: positives of each image.
    """

    positive: Tensor
    labels: Tensor
    boxes: Tensor
    quality: Tensor | None
    left_out: Tensor | None
    counts: tuple[int, ...]


def batch_targets(assignments: Sequence[Assignment], truths: Sequence[GroundTruth]) -> Targets:
    """Put the assignments of a batch's images together."""
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
