"""The quality predictor that a spec carries: its two small layers, evaluated on the points that survive.

See "Generalized Focal Loss: Towards Efficient Representation Learning for Dense Object Detection"
(TPAMI 2023), eqs. 5 to 7.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from nanodet.files.json_keys import JsonKeys
from nanodet.runtime.box_codes import probabilities

MOST_HIDDEN = 4096
LARGEST_WEIGHT = 1e6


@dataclass(frozen=True)
class QualityPredictor:
    """The weights of a quality predictor, as whole numbers and float32 values.

    Attributes:
        topk: largest probabilities read of each edge, k.
        hidden: hidden units, d.
        hidden_weight: d x 4 (k + 1), row by row; hidden_bias: d.
        output_weight: d; output_bias.
    """

    topk: int
    hidden: int
    hidden_weight: tuple[float, ...]
    hidden_bias: tuple[float, ...]
    output_weight: tuple[float, ...]
    output_bias: float

    @classmethod
    def of(
        cls,
        topk: int,
        hidden_weight: np.ndarray,
        hidden_bias: np.ndarray,
        output_weight: np.ndarray,
        output_bias: np.ndarray,
    ) -> "QualityPredictor":
        """Return it from float32 arrays of these sizes."""
        weight, bias, out, (last,) = (
            _short(values) for values in (hidden_weight, hidden_bias, output_weight, output_bias)
        )
        return cls(topk, len(bias), weight, bias, out, last)

    @functools.cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.float32]:
        rows = np.array(self.hidden_weight, np.float32).reshape(self.hidden, -1)
        bias, out = (np.array(one, np.float32) for one in (self.hidden_bias, self.output_weight))
        return np.ascontiguousarray(rows.T), bias, out, np.float32(self.output_bias)

    def __call__(self, edges: np.ndarray) -> np.ndarray:
        """Return the quality of the boxes of N points, float32 (N,), 0..1.

        Args:
            edges: float32 (N, 4 bins), the distributions before softmax.
        """
        shares = probabilities(edges)
        shares.sort(axis=-1)
        largest = shares[..., : -self.topk - 1 : -1]
        means = largest.mean(axis=-1, keepdims=True)
        features = np.concatenate((largest, means), axis=-1).reshape(len(edges), -1)
        weight, bias, out, last = self._arrays
        logits = np.maximum(features @ weight + bias, 0) @ out + last
        with np.errstate(over="ignore"):  # exp of a very negative logit: 1 / inf is 0
            return 1 / (1 + np.exp(-logits))

    def problem(self, bins: int) -> tuple[str, str] | None:
        """Return (key, rule) of the first value that cannot work with ``bins`` per edge, or None."""
        lists = {
            "hidden_weight": (self.hidden_weight, self.hidden * 4 * (self.topk + 1)),
            "hidden_bias": (self.hidden_bias, self.hidden),
            "output_weight": (self.output_weight, self.hidden),
            "output_bias": ((self.output_bias,), 1),
        }
        if not 1 <= self.topk <= bins:
            return "topk", f"must be 1 to {bins}, the number of bins"
        if not 1 <= self.hidden <= MOST_HIDDEN:
            return "hidden", f"must be 1 to {MOST_HIDDEN}"
        for key, (values, count) in lists.items():
            if len(values) != count:
                return key, f"must have {count} numbers"
            if not all(math.isfinite(v) and abs(v) <= LARGEST_WEIGHT for v in values):
                return key, f"must be -{LARGEST_WEIGHT:.0f} to {LARGEST_WEIGHT:.0f}"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form (see docs/spec.md)."""
        return {
            "topk": self.topk, "hidden": self.hidden, "hidden_weight": list(self.hidden_weight),
            "hidden_bias": list(self.hidden_bias), "output_weight": list(self.output_weight),
            "output_bias": self.output_bias,
        }  # fmt: skip

    @classmethod
    def from_keys(cls, keys: JsonKeys) -> "QualityPredictor":
        """Read the JSON form."""
        return cls(
            keys.get("topk", int),
            keys.get("hidden", int),
            tuple(keys.list_of("hidden_weight", float)),
            tuple(keys.list_of("hidden_bias", float)),
            tuple(keys.list_of("output_weight", float)),
            keys.get("output_bias", float),
        )


def _short(values: np.ndarray) -> tuple[float, ...]:
    """Return float32 values as the floats with the fewest digits that become them again."""
    return tuple(float(str(value)) for value in np.asarray(values, np.float32))
