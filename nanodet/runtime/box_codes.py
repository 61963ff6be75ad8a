"""Decodes the values after a point's class scores into edge distances, by the spec's ``output.form``."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

DISTRIBUTIONS = "distributions"  # the form of `nanodet.model.box_codes.general.General`


class BoxCode(NamedTuple):
    """One way to encode the four edges of a box.

    Attributes:
        format: the lowest format of a spec whose readers know it, see docs/spec.md.
        channels: maps reg_max to the number of values per point.
        distances: maps values (N, channels) and reg_max to float32 (N, 4) left, top, right, bottom, in
            units of the stride.
        variances: maps the same to float32 (N, 4), the variance of each edge, in squared units of the
            stride; 0 if the code does not define it.
        has_variance: whether the code defines it.
    """

    format: int
    channels: Callable[[int], int]
    distances: Callable[[np.ndarray, int], np.ndarray]
    variances: Callable[[np.ndarray, int], np.ndarray]
    has_variance: bool = True


def expectations(values: np.ndarray, reg_max: int) -> np.ndarray:
    """Return the expectation of each edge's distribution (paper eq. 4).

    Args:
        values: float32 (N, 4 (reg_max + 1)), before softmax.
        reg_max: the distributions are over 0..reg_max.

    Returns:
        float32 (N, 4) in units of the stride: left, top, right, bottom.
    """
    bins, exponentials = _unscaled(values, reg_max)
    return exponentials @ bins / exponentials.sum(axis=-1)


def variances(values: np.ndarray, reg_max: int) -> np.ndarray:
    """Return the variance of each edge's distribution, float32 (N, 4); see `expectations`."""
    bins, exponentials = _unscaled(values, reg_max)
    sums = exponentials.sum(axis=-1)
    # around the mean: the difference of two squares loses the small variances, and may be negative
    offsets = bins - (exponentials @ bins / sums)[..., None]
    return (exponentials * offsets**2).sum(axis=-1) / sums


def _unscaled(values: np.ndarray, reg_max: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bins (reg_max + 1,), and the probabilities (N, 4, reg_max + 1) times some factor."""
    logits = values.reshape(len(values), 4, reg_max + 1)
    bins = np.arange(reg_max + 1, dtype=np.float32)
    return bins, np.exp(logits - logits.max(axis=-1, keepdims=True))


BOX_CODES: dict[str, BoxCode] = {
    DISTRIBUTIONS: BoxCode(1, lambda reg_max: 4 * (reg_max + 1), expectations, variances),
}
