"""What runs an exported model: one module per inference engine."""

from typing import Protocol

import numpy as np

from nanodet.runtime.spec import Spec


class Backend(Protocol):
    """A loaded model.

    Attributes:
        spec: what the model takes and gives.
        path: the file it came from.
    """

    spec: Spec
    path: str

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """Run the network once.

        Args:
            tensor: float32 (1, 3, H, W), normalised, H and W multiples of 32.

        Returns:
            float32 (points, classes + 4 (reg_max + 1)): levels in order of stride, each row by
            row; class scores 0..1 after sigmoid, then the distributions of the left, top, right
            and bottom edge before softmax.
        """
        ...
