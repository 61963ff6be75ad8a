"""95 % intervals from resamples of the images."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)  # of a two-sided interval
RESAMPLES = 1000
SEED = 0


class Interval(NamedTuple):
    """A value and the ends of its interval of `CONFIDENCE`."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it as ``25.33 (23.10 .. 27.61)``."""
        return f"{self.value:.2f} ({self.low:.2f} .. {self.high:.2f})"

    def signed(self) -> str:
        """Return a difference as ``-0.02 (-0.35 .. +0.29)``."""
        return f"{self.value:+z.2f} ({self.low:+z.2f} .. {self.high:+z.2f})"

    def negative(self) -> "Interval":
        """Return the interval of the value of opposite sign."""
        return Interval(-self.value, -self.high, -self.low)

    def ends(self, digits: int = 4) -> list[float]:
        """Return low and high, rounded, as they are in JSON."""
        return [round(self.low, digits), round(self.high, digits)]


@dataclass(frozen=True)
class Intervals:
    """The 95 % intervals of a model's AP; None where undefined, or with objects in fewer than ten images.

    Attributes:
        summary: an `Interval` in percent for each of `nanodet.evaluate.coco_metrics.SUMMARY`.
        AP, AP50: of each class, in order of the class index.
    """

    summary: dict[str, Interval | None]
    AP: list[Interval | None]
    AP50: list[Interval | None]

    def to_dict(self) -> dict[str, list[float] | None]:
        """Return the ends of each metric's interval as JSON."""
        return {name: one and one.ends() for name, one in self.summary.items()}


def text(value: float | None, interval: Interval | None) -> str:
    """Return a value with its interval, alone if it has none, and ``-`` if it is not defined."""
    if interval is not None:
        return str(interval)
    return "-" if value is None else f"{value:.2f}"


def change_text(value: float, interval: Interval | None) -> str:
    """Return a difference with its interval, or alone if it has none."""
    return f"{value:+z.2f}" if interval is None else interval.signed()


def resample_counts(images: int, numbers: Iterable[int], seed: int = SEED) -> np.ndarray:
    """Return how often each image is in some resamples: int32 (images, resamples), columns of sum ``images``.

    Args:
        images: how many there are; as many are drawn, with replacement.
        numbers: of the resamples; each has a random generator of its own.
        seed: of all of them.
    """
    drawn = (np.random.default_rng((seed, n)).integers(0, images, images) for n in numbers)
    return np.stack([np.bincount(one, minlength=images) for one in drawn], axis=1).astype(np.int32)


def interval_of_percent(value: float, resampled: np.ndarray) -> Interval:
    """Return the basic bootstrap interval of a percentage such as AP.

    AP of few images is too high on average, most of all with classes of few objects, and AP of resamples,
    which have fewer different images, is so again. The basic interval (Davison and Hinkley, Bootstrap
    Methods and their Application, 1997, section 5.2.1) takes the error of a resample against the images
    for that of the images against all images: ``value - (quantile - value)``. The percentile interval
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13) would add that bias to the
    value, and the corrections of its bias (BC and BCa, chapter 14) need quantiles too far outside to
    be known from 1,000 resamples: docs/intervals.md has the measured coverage.

    Args:
        value: of the images, 0..100; it is never outside of the interval.
        resampled: float64 (resamples,), of which NaN is left out.
    """
    low, high = 2 * value - _quantiles(resampled)[::-1]
    return Interval(value, float(max(min(low, value), 0)), float(min(max(high, value), 100)))


def interval_of_change(value: float, resampled: np.ndarray) -> Interval:
    """Return the percentile interval of a paired difference, in which the bias of both cancels.

    Args:
        value: of the images.
        resampled: float64 (resamples,), of which NaN is left out.
    """
    low, high = _quantiles(resampled)
    return Interval(value, float(min(low, value)), float(max(high, value)))


def _quantiles(resampled: np.ndarray) -> np.ndarray:
    tail = (1 - CONFIDENCE) / 2
    return np.asarray(np.nanquantile(resampled, [tail, 1 - tail]))
