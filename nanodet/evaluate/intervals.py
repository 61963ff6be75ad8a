"""How far AP, and a difference of two models' AP, may be off by chance: a bootstrap over images."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from nanodet.evaluate.bootstrap import (
    RESAMPLES,
    SEED,
    Interval,
    Intervals,
    interval_of_change,
    interval_of_percent,
    resample_counts,
)
from nanodet.evaluate.coco_metrics import SUMMARY, Metrics
from nanodet.evaluate.matches import Matches
from nanodet.evaluate.resample import average_precisions

CELLS = 1 << 24  # numbers of the largest array
AT_50, AT_75 = 0, 5  # of COCO's IoU thresholds
FEWEST = 10  # images with objects: with fewer, the interval of a class held the truth in 30 to 80 %
TOO_FEW = f"AP has no interval: fewer than {FEWEST} images have objects"
SIZES = ("AP", "APs", "APm", "APl")  # in the order of the areas of `Metrics.matches`


@dataclass(frozen=True)
class Resampled:
    """AP of a model on its images and on resamples of them, in percent; NaN where undefined.

    Attributes:
        summary: metric to float64 (1 + resamples,): of the images themselves, then of the resamples.
        AP, AP50: float64 (1 + resamples, classes).
        images: metric to the number of images with objects for it; class_images: the same per class.
    """

    summary: dict[str, np.ndarray]
    AP: np.ndarray
    AP50: np.ndarray
    images: dict[str, int]
    class_images: list[int]

    def value(self, metric: str = "AP") -> float:
        """Return a metric of the images themselves."""
        return float(self.summary[metric][0])

    def interval(self, metric: str = "AP") -> Interval | None:
        """Return the interval of a metric; None as in `Intervals`."""
        return _interval(interval_of_percent, self.summary[metric], self.images[metric])

    def minus(self, other: "Resampled", fewest: int | None = None) -> Interval | None:
        """Return the paired interval of the difference of AP; None with objects in too few images.

        Args:
            other: of a model measured on the same images.
            fewest: images with objects that are enough; None: as many as AP itself needs.
        """
        values = self.summary["AP"] - other.summary["AP"]
        return _interval(interval_of_change, values, self.images["AP"], fewest)


def intervals_of(metrics: Metrics) -> Intervals:
    """Return the 95 % intervals of a model's AP by a bootstrap over the images.

    1,000 times, as many images as there are get drawn with replacement, and AP is computed of each such
    resample as COCO does: an image that is drawn k times counts as k images with equal objects and
    detections, and a class without objects in a resample is left out of its mean. Equal scores are
    ranked as COCO ranks them, with the copies of a detection one after another. The seed is fixed: the same
    detections have the same intervals. `nanodet.evaluate.bootstrap` has the source of the formulas.

    Args:
        metrics: of `nanodet.evaluate.coco_metrics.evaluate_detections`.
    """
    if not metrics.matches:
        none = [None] * metrics.precision.shape[-1]
        return Intervals(dict.fromkeys(SUMMARY), list(none), list(none))
    drawn = resampled(metrics)
    summary = {name: drawn.interval(name) for name in SUMMARY}
    of_class = (
        [
            _interval(interval_of_percent, column, images)
            for column, images in zip(values.T, drawn.class_images, strict=True)
        ]
        for values in (drawn.AP, drawn.AP50)
    )
    return Intervals(summary, *of_class)


def change_of(ours: Metrics, theirs: Metrics) -> Interval | None:
    """Return the difference of two models' AP on the same images with its paired 95 % interval.

    Both are measured on the same resamples, so that what makes a resample easy or hard for both does not
    widen the interval.

    Args:
        ours, theirs: of `nanodet.evaluate.coco_metrics.evaluate_detections`, with the images in one order.

    Returns:
        ours minus theirs in points of AP; None as in `Intervals`.

    Raises:
        ValueError: they are of different numbers of images.
    """
    if ours.images != theirs.images:
        raise ValueError(f"metrics of {ours.images} images, but of {theirs.images}")
    if not ours.matches:
        return None
    return resampled(ours, sizes=False).minus(resampled(theirs, sizes=False))


def resampled(
    metrics: Metrics, resamples: int = RESAMPLES, seed: int = SEED, sizes: bool = True
) -> Resampled:
    """Return the AP of `Metrics` on resamples of its images; the same ones for equally many images.

    Args:
        metrics: of `evaluate_detections`, of at least one image.
        resamples: how many.
        seed: of their choice.
        sizes: whether to compute ``APs``, ``APm`` and ``APl``.
    """
    found = metrics.matches if sizes else [row[:1] for row in metrics.matches]
    thresholds, ranges = len(metrics.iou_thresholds), SIZES[: len(found[0])]
    step = max(1, CELLS // max(thresholds * len(found) * len(ranges), metrics.images))
    parts = []
    for start in range(0, 1 + resamples, step):
        numbers = np.arange(start, min(start + step, 1 + resamples))
        weights = resample_counts(metrics.images, numbers.tolist(), seed)
        weights[:, numbers == 0] = 1  # the images themselves
        values = 100 * average_precisions(found, weights, thresholds)
        at_50, at_75 = values[:, AT_50, :, 0], values[:, AT_75, :, 0]
        means = _mean(values, (1, 2)), _mean(at_50, 1), _mean(at_75, 1)
        parts.append((*means, _mean(values[..., 0], 1), at_50))
    by_size, at_50, at_75, per_class, per_class_50 = map(np.concatenate, zip(*parts, strict=True))
    images = dict(
        zip(ranges, (_images_with_objects(one) for one in zip(*found, strict=True)), strict=True)
    )
    return Resampled(
        summary=dict(zip(ranges, by_size.T, strict=True)) | {"AP50": at_50, "AP75": at_75},
        AP=per_class,
        AP50=per_class_50,
        images=images | dict.fromkeys(("AP50", "AP75"), images["AP"]),
        class_images=[_images_with_objects(row[:1]) for row in found],
    )


def _images_with_objects(found: Iterable[Matches | None]) -> int:
    counts = [one.objects for one in found if one is not None]
    return int(np.count_nonzero(np.any(counts, axis=0))) if counts else 0


def _interval(
    make: Callable[[float, np.ndarray], Interval],
    values: np.ndarray,
    images: int,
    fewest: int | None = None,
) -> Interval | None:
    value = float(values[0])
    return None if images < (fewest or FEWEST) or np.isnan(value) else make(value, values[1:])


def _mean(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Return the mean of what is defined, NaN of nothing."""
    count = (~np.isnan(values)).sum(axis=axis)
    return np.where(count, np.nansum(values, axis=axis), np.nan) / np.maximum(count, 1)
