"""Means and spreads over seeds, and paired differences with a confidence interval."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nanodet.evaluate.bootstrap import CONFIDENCE

_STEPS = 100_000


class Spread(NamedTuple):
    """Of values of n seeds: mean, and standard deviation (n - 1 in its denominator; None for one)."""

    mean: float
    deviation: float | None
    seeds: int


class Difference(NamedTuple):
    """Of a variant from the baseline, over the seeds that both have.

    Attributes:
        mean: of the differences.
        half: half the width of the interval that holds the true mean with `CONFIDENCE`, if differences
            are normally distributed; None with one seed.
        seeds: their number.
    """

    mean: float
    half: float | None
    seeds: int

    @property
    def clear(self) -> bool:
        """Whether the interval does not hold 0."""
        return self.half is not None and abs(self.mean) > self.half


def spread(values: Sequence[float]) -> Spread | None:
    """Return the `Spread` of values, None for none."""
    if not values:
        return None
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean(values)), deviation, len(values))


def paired(values: Mapping[int, float], baseline: Mapping[int, float]) -> Difference | None:
    """Return the `Difference` of a variant, None if no seed has both.

    The half width is ``t s / sqrt(n)``, with s the standard deviation of the n differences and t the
    quantile of Student's distribution with n - 1 degrees of freedom.

    Args:
        values, baseline: seed to value.
    """
    found = spread([values[seed] - baseline[seed] for seed in values if seed in baseline])
    if found is None:
        return None
    half = None
    if found.deviation is not None:
        half = student_t(found.seeds - 1) * found.deviation / math.sqrt(found.seeds)
    return Difference(found.mean, half, found.seeds)


def student_t(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Return t such that a value of Student's distribution lies in -t..t with ``confidence``.

    With ``x = sqrt(freedom) tan(a)`` the density is proportional to ``cos(a)^(freedom - 1)``, which is
    integrated numerically.

    Args:
        freedom: degrees of freedom, at least 1.
        confidence: 0..1.
    """
    angles = np.linspace(0, math.pi / 2, _STEPS + 1)
    density = np.cos(angles) ** (freedom - 1)
    share = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    angle = np.interp(confidence, share / share[-1], angles)
    return float(math.sqrt(freedom) * np.tan(angle))
