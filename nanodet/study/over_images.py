"""How far the choice of the validation images moves the results of a study; seeds are not its subject."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from nanodet.evaluate.bootstrap import Interval, interval_of_change, interval_of_percent, text
from nanodet.evaluate.coco_metrics import Metrics
from nanodet.evaluate.intervals import resampled
from nanodet.study.results import Outcome, Result, same_validation_set


class _Drawn(NamedTuple):
    """A run, its AP, and its AP on the resamples."""

    result: Result
    ap: float
    resampled: np.ndarray


def resamples_of(metrics: Metrics) -> list[float] | None:
    """Return AP on the resamples of the images, for ``result.json``; None if it has no interval."""
    drawn = resampled(metrics, sizes=False) if metrics.matches else None
    if drawn is None or drawn.interval() is None or np.isnan(drawn.summary["AP"]).any():
        return None
    return [round(float(value), 4) for value in drawn.summary["AP"][1:]]


def ap_text(result: Result) -> str:
    """Return the AP of a run with its interval over the choice of the images, if it has one."""
    ap, again = result.metrics["AP"], result.resampled_ap
    return text(ap, interval_of_percent(ap, np.array(again)) if ap is not None and again else None)


def ap_over_images(outcomes: Sequence[Outcome], variant: str) -> Interval | None:
    """Return the mean AP of a variant's runs, with the interval over the choice of the images.

    The runs are measured on the same resamples, of which each one's AP is the mean over the runs.

    Args:
        outcomes: of all runs of the study.
        variant: its name.

    Returns:
        None without runs, or if one of them has no resamples or was validated on another set.
    """
    drawn = _drawn(outcomes, variant)
    if not drawn or not _comparable(drawn.values()):
        return None
    values = [one.ap for one in drawn.values()]
    resamples = [one.resampled for one in drawn.values()]
    return interval_of_percent(float(np.mean(values)), np.mean(resamples, axis=0))


def change_over_images(outcomes: Sequence[Outcome], variant: str, baseline: str) -> Interval | None:
    """Return the mean difference of AP over the seeds that both have, see `ap_over_images`."""
    ours, theirs = _drawn(outcomes, variant), _drawn(outcomes, baseline)
    pairs = [(one, theirs[seed]) for seed, one in ours.items() if seed in theirs]
    if not pairs or not _comparable([one for pair in pairs for one in pair]):
        return None
    values = [our.ap - their.ap for our, their in pairs]
    resamples = [our.resampled - their.resampled for our, their in pairs]
    return interval_of_change(float(np.mean(values)), np.mean(resamples, axis=0))


def _drawn(outcomes: Sequence[Outcome], variant: str) -> dict[int, _Drawn]:
    """Return seed to what was measured of a variant's finished runs."""
    found: dict[int, _Drawn] = {}
    for one in outcomes:
        if one.run.variant != variant or one.result is None:
            continue
        ap, again = one.result.metrics["AP"], one.result.resampled_ap
        if ap is not None:
            found[one.run.seed] = _Drawn(one.result, ap, np.array(again or [], np.float64))
    return found


def _comparable(drawn: Collection[_Drawn]) -> bool:
    """Return whether all were measured on the same resamples."""
    sizes = {one.resampled.size for one in drawn}
    return len(sizes) == 1 and 0 not in sizes and same_validation_set([one.result for one in drawn])
