"""Decodes the values after a point's class scores into edge distances, by the spec's ``output.form``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# the forms of `nanodet.model.box_codes`: General, Dirac and Gaussian
DISTRIBUTIONS, DISTANCES, GAUSSIANS = "distributions", "distances", "gaussians"
MOST_BINS = 1025  # of an edge
_WHOLE = 1e-6  # how far a quotient may be from a whole number: 0.1 is not exact in binary
FARTHEST = 1e6  # strides of an edge that is no distribution; keeps coordinates finite
_LARGEST_LOG = 80.0  # of a variance in float32


@dataclass(frozen=True)
class Bins:
    """The distances over which an edge is distributed: 0, spacing, 2 spacing, ..., reg_max strides."""

    reg_max: int
    spacing: float = 1.0

    @property
    def count(self) -> int:
        """Bins of an edge."""
        return round(self.reg_max / self.spacing) + 1

    @property
    def problem(self) -> str:
        """Why such bins cannot be; empty if they can."""
        if not 0 < self.spacing <= self.reg_max:
            return f"must be above 0 and at most reg_max, {self.reg_max}"
        if self.reg_max >= MOST_BINS * self.spacing:  # reg_max may be too large for a float
            return f"makes more than {MOST_BINS} bins of reg_max {self.reg_max}"
        steps = self.reg_max / self.spacing
        if abs(steps - round(steps)) > _WHOLE:
            return f"reg_max, {self.reg_max}, must be a whole multiple of it"
        return ""

    def values(self) -> np.ndarray:
        """Return the bins in strides, float32 (count,)."""
        return np.arange(self.count, dtype=np.float32) * np.float32(self.spacing)


class BoxCode(NamedTuple):
    """One way to encode the four edges of a box.

    Attributes:
        format: the lowest format of a spec whose readers know it, see docs/spec.md.
        channels: maps `Bins` to the number of values per point.
        distances: maps values (N, channels) and `Bins` to float32 (N, 4) left, top, right, bottom, in
            units of the stride.
        variances: maps the same to float32 (N, 4), the variance of each edge, in squared units of the
            stride; 0 if the code does not define it.
        has_variance: whether the code defines it.
    """

    format: int
    channels: Callable[[Bins], int]
    distances: Callable[[np.ndarray, Bins], np.ndarray]
    variances: Callable[[np.ndarray, Bins], np.ndarray]
    has_variance: bool = True


def expectations(values: np.ndarray, bins: Bins) -> np.ndarray:
    """Return the expectation of each edge's distribution (paper eq. 4).

    Args:
        values: float32 (N, 4 bins.count), before softmax.
        bins: the distances of the bins.

    Returns:
        float32 (N, 4) in units of the stride: left, top, right, bottom.
    """
    exponentials = _unscaled(values)
    return exponentials @ bins.values() / exponentials.sum(axis=-1)


def variances(values: np.ndarray, bins: Bins) -> np.ndarray:
    """Return the variance of each edge's distribution, float32 (N, 4); see `expectations`."""
    exponentials, distances = _unscaled(values), bins.values()
    sums = exponentials.sum(axis=-1)
    # around the mean: the difference of two squares loses the small variances, and may be negative
    offsets = distances - (exponentials @ distances / sums)[..., None]
    return (exponentials * offsets**2).sum(axis=-1) / sums


def probabilities(values: np.ndarray) -> np.ndarray:
    """Return the probabilities of the bins of each edge: values (N, 4 bins) to float32 (N, 4, bins)."""
    exponentials = _unscaled(values)
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials


def _unscaled(values: np.ndarray) -> np.ndarray:
    """Return the probabilities (N, 4, bins) times some factor, which most uses need not divide by."""
    logits = values.reshape(len(values), 4, values.shape[1] // 4)
    exponentials: np.ndarray = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials


def _softplus(values: np.ndarray) -> np.ndarray:
    """Return ``log(1 + exp(value))`` of the first four values of each point (N, 4), at most `FARTHEST`."""
    return np.minimum(np.logaddexp(np.float32(0), values[:, :4]), np.float32(FARTHEST))


BOX_CODES: dict[str, BoxCode] = {
    DISTRIBUTIONS: BoxCode(1, lambda bins: 4 * bins.count, expectations, variances),
    DISTANCES: BoxCode(
        4, lambda bins: 4, lambda values, bins: _softplus(values),
        lambda values, bins: np.zeros_like(values), has_variance=False,
    ),
    GAUSSIANS: BoxCode(
        4, lambda bins: 8, lambda values, bins: _softplus(values),
        lambda values, bins: np.exp(np.minimum(values[:, 4:], _LARGEST_LOG)),
    ),
}  # fmt: skip
