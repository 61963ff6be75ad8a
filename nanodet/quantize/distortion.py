"""How much an output differs from the floating-point model's, in one number.

At every point whose best score is above `READ` in either output: the largest difference of a class
score, plus 1 - IoU of the two boxes. Both are IoUs (a class score of this detector is the expected
one), so they add up in one unit.
"""

import numpy as np

from nanodet.compare.twins import iou_of_distances
from nanodet.quantize.observe import extract
from nanodet.runtime.decode import edge_distances

READ = 0.05  # what evaluation looks at


class Distortion:
    """Measures models against the floating-point one on the same pictures.

    Args:
        net: the floating-point ``ncnn.Net``.
        spec: the model's `nanodet.runtime.spec.Spec`.
        tensors: float32 (1, 3, H, W) each.
    """

    def __init__(self, net, spec, tensors):
        self.spec, self.tensors = spec, tensors
        self.expected = [self._run(net, tensor) for tensor in tensors]

    def of(self, net):
        """Return the mean over the pictures of the distortion per point that is read."""
        return float(
            np.mean(
                [
                    self._one(wanted, self._run(net, tensor))
                    for wanted, tensor in zip(self.expected, self.tensors, strict=True)
                ]
            )
        )

    def _run(self, net, tensor):
        blobs = extract(net, self.spec.input_name, tensor, [self.spec.output_name])
        return next(iter(blobs))[1]

    def _one(self, wanted, given):
        classes = len(self.spec.class_names)
        scores, other = wanted[:, :classes], given[:, :classes]
        read = np.maximum(scores.max(axis=1), other.max(axis=1)) > READ
        if not read.any():
            return 0.0
        change = np.abs(scores[read] - other[read]).max(axis=1)
        sides = [
            edge_distances(output[read, classes:].reshape(-1, 4, self.spec.reg_max + 1))
            for output in (wanted, given)
        ]
        return float((change + 1 - iou_of_distances(*sides)).mean())
