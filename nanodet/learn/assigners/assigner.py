"""The interface of an assigner."""

from typing import Literal, Protocol

import torch
from torch import Tensor

from nanodet.learn.points import Points
from nanodet.learn.targets import Assignment, GroundTruth, GroundTruths

CELL = 5  # ATSS takes anchors of 5 strides


class Assigner(Protocol):
    """Chooses the points that are trained on the boxes of their image; a base class with the attributes.

    A simple one has `assign`; a fast one, derived from `BatchAssigner`, has `assign_batch`.

    Attributes:
        cell: side, in strides, of the square around a point that stands for it beside a box.
        needs_predictions: whether `assign` reads the predictions of the network.
        at_least_one: where the number of positives is at least one: in each "image", or in the
            "batch", where the sum of the box weights is at least one, too, see `Objective`.
    """

    cell: float = CELL
    needs_predictions: bool = False
    at_least_one: Literal["image", "batch"] = "image"

    def assign(
        self,
        points: Points,
        truth: GroundTruth,
        logits: Tensor | None = None,
        boxes: Tensor | None = None,
    ) -> Assignment:
        """Return the target of each of the P points of one image.

        Args:
            points: of the network's output.
            truth: the ground truth of the image.
            logits: float32 (P, C), of the final scores; boxes: float32 (P, 4) xyxy in network pixels: the
                predictions of the guiding output; None unless ``needs_predictions``.
        """
        ...

    def assign_batch(
        self,
        points: Points,
        truths: GroundTruths,
        logits: Tensor | None = None,
        boxes: Tensor | None = None,
    ) -> Assignment:
        """Return the targets of B images, (B, P); ``logits`` and ``boxes`` are (B, P, C) and (B, P, 4)."""
        matched, qualities, start = [], [], 0
        for i, truth in enumerate(truths.each):
            predictions = (None if one is None else one[i] for one in (logits, boxes))
            found = self.assign(points, truth, *predictions)
            matched.append(torch.where(found.matched >= 0, found.matched + start, found.matched))
            qualities.append(found.quality)
            start += len(truth.boxes)
        given = [one for one in qualities if one is not None]
        return Assignment(torch.stack(matched), torch.stack(given) if given else None)


class BatchAssigner(Assigner):
    """An assigner that has `assign_batch`, which never waits for the device."""

    def assign(
        self,
        points: Points,
        truth: GroundTruth,
        logits: Tensor | None = None,
        boxes: Tensor | None = None,
    ) -> Assignment:
        """Return the `Assignment` of one image: that of a batch of one."""
        predictions = (None if one is None else one[None] for one in (logits, boxes))
        found = self.assign_batch(points, GroundTruths.of([truth]), *predictions)
        return Assignment(found.matched[0], None if found.quality is None else found.quality[0])
