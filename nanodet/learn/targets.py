"""The ground truth of an image and of a batch, and the targets of their points."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NEGATIVE = -1  # background
LEFT_OUT = -2  # not trained
# pairs of a box and a point that are compared at once: 8 MB for each number of theirs, whatever the
# batch and the number of its boxes
MOST_PAIRS = 1 << 21


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
class GroundTruths:
    """The annotations of the B images of a batch, one image after the other.

    Attributes:
        each: those of each image.
        boxes: float32 (N, 4) xyxy in network pixels.
        labels: int64 (N,), classes.
        images: int64 (N,), 0..B - 1, the image of each box.
        ignored: float32 (M, 4) xyxy, regions whose points are not trained.
        ignored_images: int64 (M,), the image of each region.
    """

    each: Sequence[GroundTruth]
    boxes: Tensor
    labels: Tensor
    images: Tensor
    ignored: Tensor
    ignored_images: Tensor

    @classmethod
    def of(cls, each: Sequence[GroundTruth]) -> "GroundTruths":
        """Join those of at least one image."""
        boxes = torch.cat([one.boxes for one in each])
        ignored = torch.cat([one.ignored for one in each])
        return cls(
            each,
            boxes,
            torch.cat([one.labels for one in each]),
            _numbers([len(one.boxes) for one in each], boxes.device),
            ignored,
            _numbers([len(one.ignored) for one in each], boxes.device),
        )

    def parts(self, points: int) -> Iterator[tuple[slice, slice]]:
        """Yield the images and the boxes of parts with at most `MOST_PAIRS` pairs, or of one image."""
        image = box = first = start = 0
        for image, one in enumerate(self.each):
            if image > first and (box + len(one.boxes) - start) * points > MOST_PAIRS:
                yield slice(first, image), slice(start, box)
                first, start = image, box
            box += len(one.boxes)
        yield slice(first, image + 1), slice(start, box)


def _numbers(counts: Sequence[int], device: torch.device) -> Tensor:
    """Return 0 as often as the first count says, 1 as often as the second, ...: int64 (sum,)."""
    numbers = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return numbers.to(device, non_blocking=True)  # nobody waits for the device


@dataclass(frozen=True)
class Assignment:
    """The targets of the P points of one image, or of all B of a batch.

    Attributes:
        matched: int64 (P,) or (B, P), the index of the box of each positive, else `NEGATIVE` or
            `LEFT_OUT`. Boxes of a batch are counted over all images, as in `GroundTruths`.
        quality: float32, the same shape, 0..1, the target score of a positive; None: the IoU of the
            prediction there with its box.
    """

    matched: Tensor
    quality: Tensor | None = None


@dataclass(frozen=True)
class Targets:
    """The targets of the points of a batch of B images.

    Attributes:
        positive: int64 (K,), indices into the flattened (B P) points.
        owners: int64 (K,), the box of each positive, counted as in `GroundTruths`.
        labels: int64 (K,), class of each positive.
        boxes: float32 (K, 4) xyxy in network pixels.
        quality: float32 (K,), see `Assignment`.
        left_out: bool (B P,), points that are not trained; None if no image has an ignored region.
        counts: int64 (B,), positives of each image.
    """

    positive: Tensor
    owners: Tensor
    labels: Tensor
    boxes: Tensor
    quality: Tensor | None
    left_out: Tensor | None
    counts: Tensor


def batch_targets(assignment: Assignment, truths: GroundTruths) -> Targets:
    """Return the targets that an `Assignment` of a batch gives."""
    matched = assignment.matched.flatten()
    # the one place that waits for the device: losses over all points would take longer than waiting
    positive = (matched >= 0).nonzero().squeeze(1)
    box = matched[positive]
    quality = assignment.quality
    return Targets(
        positive,
        box,
        truths.labels[box],
        truths.boxes[box],
        None if quality is None else quality.flatten()[positive],
        matched == LEFT_OUT if len(truths.ignored) else None,
        (assignment.matched >= 0).sum(dim=1),
    )
