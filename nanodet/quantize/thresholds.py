"""Thresholds at which activations are clipped before they become int8, chosen from a histogram.

A threshold T makes the scale 127 / T: values become ``round(x 127 / T)`` in -127..127, and what lies
outside T is clipped. A small T gives fine steps and clips much, a large one does the opposite.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LEVELS = 127  # of each sign
BINS = 2048
_PERCENTILE = 99.99
# optimal clipping at 8 bits in units of sigma (Gauss) and of mean |x| (Laplace): Banner et al.,
# "Post training 4-bit quantization of convolutional networks", NeurIPS 2019
_ACIQ_GAUSS, _ACIQ_LAPLACE = 3.92403714, 9.89675982


@dataclass
class Histogram:
    """How often each magnitude occurs in one blob.

    Attributes:
        counts: int64 (BINS,), values of |x| in equal bins from 0 to ``largest``.
        largest: the largest |x|.
        mean_abs, mean_square: of all values.
    """

    counts: np.ndarray
    largest: float
    mean_abs: float
    mean_square: float

    @property
    def centres(self) -> np.ndarray:
        """The middle of each bin, float64 (BINS,)."""
        return (np.arange(BINS) + 0.5) * (self.largest / BINS)


def largest(histogram: Histogram) -> float:
    """Clip nothing."""
    return histogram.largest


def percentile(histogram: Histogram) -> float:
    """Clip the largest 0.01 % of the values."""
    below = np.cumsum(histogram.counts)
    index = int(np.searchsorted(below, below[-1] * _PERCENTILE / 100))
    return (min(index, BINS - 1) + 1) * histogram.largest / BINS


def aciq(histogram: Histogram) -> float:
    """Clip where a Gauss or Laplace distribution of the same spread loses least (Banner et al.).

    The ratio of mean |x| to sigma shows which of the two is nearer: 0.80 for Gauss, 0.71 for
    Laplace.
    """
    sigma = math.sqrt(histogram.mean_square)
    ratio = histogram.mean_abs / sigma if sigma else 0.0
    nearer_gauss = ratio > (math.sqrt(2 / math.pi) + math.sqrt(0.5)) / 2
    best = _ACIQ_GAUSS * sigma if nearer_gauss else _ACIQ_LAPLACE * histogram.mean_abs
    return min(best, histogram.largest)


def mse(histogram: Histogram) -> float:
    """Search the threshold of the smallest mean square error of rounding and clipping."""
    candidates = histogram.largest * np.linspace(0.02, 1, 99)
    centres, counts = histogram.centres, histogram.counts
    errors = []
    for threshold in candidates:
        step = threshold / LEVELS
        restored = np.minimum(np.rint(centres / step), LEVELS) * step
        errors.append(np.dot(counts, (centres - restored) ** 2))
    return float(candidates[int(np.argmin(errors))])


def kl(histogram: Histogram) -> float:
    """Search the threshold that keeps most information (Migacz, "8-bit inference with TensorRT").

    Of the clipped distribution P and its copy Q that only 128 levels can tell apart, the one with
    the smallest Kullback-Leibler divergence sum p log(p / q) is chosen.
    """
    counts = histogram.counts.astype(np.float64)
    counts[0] = counts[1]  # exact zeros would outweigh everything, and are kept at no cost
    total, bins = counts.sum(), LEVELS + 1
    if not total:
        return histogram.largest
    best, chosen = math.inf, BINS
    for stop in range(bins, BINS + 1, 8):
        inside = counts[:stop]
        p = inside.copy()
        p[-1] += counts[stop:].sum()
        # each level spreads its sum evenly over its bins that hold anything
        level = np.arange(stop) * bins // stop
        filled = inside > 0
        sums = np.bincount(level, inside, bins)
        numbers = np.bincount(level, filled, bins)
        q = np.where(filled, (sums / np.maximum(numbers, 1))[level], 0.0)
        known = (p > 0) & (q > 0)
        p, q_sum = p / p.sum(), q.sum()
        if not q_sum:
            continue
        lost = p[~known].sum()  # the clipped mass in bins that are empty in Q
        divergence = np.sum(p[known] * np.log(p[known] * q_sum / q[known])) + lost * math.log(BINS)
        if divergence < best:
            best, chosen = divergence, stop
    return (chosen - 0.5) * histogram.largest / BINS


METHODS: dict[str, Callable[[Histogram], float]] = {
    "kl": kl,
    "aciq": aciq,
    "mse": mse,
    "percentile": percentile,
    "max": largest,
}
