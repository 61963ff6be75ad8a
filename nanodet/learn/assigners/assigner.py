"""What an assigner is."""

from typing import Literal, Protocol

from torch import Tensor

from nanodet.learn.points import Points
from nanodet.learn.targets import Assignment, GroundTruth


class Assigner(Protocol):
    """Chooses the points of one image that learn its boxes; a base class that has the attributes.

    Attributes:
        needs_predictions: whether `assign` looks at what the network says.
        at_least_one: what counts as one positive where there is none: each "image", or the "batch",
            whose weights of boxes then sum to at least one too, see `Objective`.
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
        """Return what each of the P points learns.

        Args:
            points: of the network's output.
            truth: what the image shows.
            logits: float32 (P, C), of the classes; boxes: float32 (P, 4) xyxy in network pixels: what
                the guiding output says; None unless ``needs_predictions``.
        """
        ...
