"""How much an output differs from the floating-point model's, in one number.

At every point whose best score is above `READ` in either output: the largest difference of a class
score, plus 1 - IoU of the two boxes. Both are IoUs (a class score of this detector is the expected
one), so they add up in one unit.
"""

from collections.abc import Callable, Sequence

import numpy as np

from nanodet.compare.twins import iou_of_distances
from nanodet.runtime.spec import Spec

Run = Callable[[np.ndarray], np.ndarray]

READ = 0.05  # evaluation uses points above this score


class Distortion:
    """Measures models against the floating-point one on the same images.

    Args:
        run: of the floating-point model: float32 (1, 3, H, W) to its output, as
            `nanodet.runtime.engines.backend.Backend.run`.
        spec: the model's `Spec`.
        tensors: what both models are given.
    """

    def __init__(self, run: Run, spec: Spec, tensors: Sequence[np.ndarray]) -> None:
        self.spec, self.tensors = spec, tensors
        self.expected = [run(tensor) for tensor in tensors]

    def of(self, run: Run) -> float:
        """Return the mean over the images of the distortion per point that is read."""
        pairs = zip(self.expected, self.tensors, strict=True)
        return float(np.mean([self._one(wanted, run(tensor)) for wanted, tensor in pairs]))

    def _one(self, wanted: np.ndarray, given: np.ndarray) -> float:
        classes = len(self.spec.class_names)
        scores, other = wanted[:, :classes], given[:, :classes]
        read = np.maximum(scores.max(axis=1), other.max(axis=1)) > READ
        if not read.any():
            return 0.0
        change = np.abs(scores[read] - other[read]).max(axis=1)
        sides = [self.spec.edge_distances(output[read, classes:]) for output in (wanted, given)]
        return float((change + 1 - iou_of_distances(*sides)).mean())
