"""Correlations of pairs of values."""

from collections.abc import Sequence

import numpy as np

Values = Sequence[float] | np.ndarray


def pearson(first: Values, second: Values) -> float | None:
    """Return the correlation coefficient of pairs (N,), -1..1; None if either does not vary."""
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def rank_correlation(first: Values, second: Values) -> float | None:
    """Return Spearman's correlation of pairs (N,), -1..1: `pearson` of their ranks."""
    return pearson(_ranks(first), _ranks(second))


def _ranks(values: Values) -> np.ndarray:
    """Return the rank of each value; equal ones share the mean of theirs."""
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    shared: np.ndarray = np.cumsum(counts) - (counts + 1) / 2
    return shared[inverse]
