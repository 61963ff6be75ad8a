"""The interface of an assigner."""

from typing import Literal, Protocol

from torch import Tensor

from nanodet.learn.points import Points
from nanodet.learn.targets import Assignment, GroundTruth


class Assigner(Protocol):
    """Chooses the points of one image that are trained on its boxes; a base class with the attributes.

    Attributes:
        needs_predictions: whether `assign` reads the predictions of the network.
        at_least_one: where the number of positives is at least one: in each "image", or in the
            "batch", where the sum of the box weights is at least one, too, see `Objective`.
    """

    needs_predictions: bool = False
    at_least_one: Literal["image", "batch"] = "image"

    def assign(
        self,
        points: Points,
        truth: GroundTruth,
        logits: Tensor | None = None,
        boxes: Tensor | None = None,
    ) -> Assignment:
        """Return the target of each of the P points.

        Args:
            points: of the network's output.
            truth: the ground truth of the image.
            logits: float32 (P, C), of the final scores; boxes: float32 (P, 4) xyxy in network pixels: the
                predictions of the guiding output; None unless ``needs_predictions``.
        """
        ...
