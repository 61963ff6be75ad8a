"""What is said of many runs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STAGES = ("preprocess", "network", "decode")


def summarise(nanoseconds: NDArray[np.float64]) -> dict[str, float]:
    """Return min, median, mean, p90, p99 and max in microseconds.

    Percentiles are linear between the two nearest runs.
    """
    values = np.asarray(nanoseconds, np.float64) / 1000
    median, p90, p99 = np.percentile(values, (50, 90, 99))
    figures = {
        "min": values.min(), "median": median, "mean": values.mean(),
        "p90": p90, "p99": p99, "max": values.max(),
    }  # fmt: skip
    return {name: round(float(value), 1) for name, value in figures.items()}


def stage_times(
    runs: Sequence[Sequence[int]], stages: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return the summary of every stage, and of ``end_to_end`` where there is more than one.

    Args:
        runs: nanoseconds (runs, stages).
        stages: their names.
    """
    taken = np.asarray(runs, np.float64).reshape(-1, len(stages))
    times = {stage: summarise(taken[:, i]) for i, stage in enumerate(stages)}
    if len(stages) > 1:
        times["end_to_end"] = summarise(taken.sum(axis=1))
    return times


def later_half(values: Sequence[float]) -> float:
    """Return the median of the later half over the median of the first half, 1 for few values."""
    middle = len(values) // 2
    if middle < 5:
        return 1.0
    return float(np.median(values[middle:]) / np.median(values[:middle]))


def ratio(turns: Sequence[Sequence[int]], reference: Sequence[Sequence[int]]) -> tuple[float, ...]:
    """Compare two entries that took turns, round by round.

    What slows the machine for some seconds falls on both and drops out of their ratio.

    Args:
        turns, reference: per turn, the times of its runs; the turns of a round at one index.

    Returns:
        (median, lower quartile, upper quartile) over the rounds of the ratio of medians.
    """
    rounds = zip(turns, reference, strict=False)  # the shorter one had enough earlier
    ratios = [float(np.median(a) / np.median(b)) for a, b in rounds]
    return tuple(round(float(v), 4) for v in np.percentile(ratios, (50, 25, 75)))
