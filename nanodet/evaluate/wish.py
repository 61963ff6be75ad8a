"""Chooses score thresholds per class, and measures what they are worth (``nanodet eval --wish``)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from nanodet.errors import NanodetError
from nanodet.evaluate.bootstrap import Interval
from nanodet.evaluate.score_curves import ScoreCurve, wilson
from nanodet.files import StrPath
from nanodet.runtime.spec import Spec
from nanodet.text.brief import brief

OPTION = "--wish"
PRECISION, RECALL, F1 = "precision", "recall", "f1"
KEEP = "keep"  # measures the scores of the spec
NONE = "none"  # removes those of classes, and measures the one that is left
FEWEST = 50  # objects of a class with a score of its own: with fewer, the shared threshold has the better F1
CERTAIN = NormalDist().inv_cdf(0.9)  # z: a wish holds at 90 % of the choices


@dataclass(frozen=True)
class Wish:
    """What the scores are chosen for.

    Attributes:
        measure: ``precision``, ``recall`` or ``f1``; ``keep`` to leave them as they are; ``none`` for one
            score of all classes.
        value: the least precision or recall, 0.01 to 0.99; None for the others.
    """

    measure: str
    value: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Wish":
        """Read ``precision=0.9``, ``recall=0.8``, ``f1``, ``keep`` or ``none``.

        Raises:
            NanodetError: it is something else.
        """
        measure, _, number = text.partition("=")
        if text in (F1, KEEP, NONE):
            return cls(text)
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if measure not in (PRECISION, RECALL) or not 0.01 <= value <= 0.99:
            raise NanodetError(
                f"{OPTION}: must be precision=P or recall=R, with a number from 0.01 to 0.99, f1, keep "
                f"or none, not {brief(text)}"
            )
        return cls(measure, value)

    def __str__(self) -> str:
        return self.measure if self.value is None else f"{self.measure}={self.value:g}"

    def holds(self, curve: ScoreCurve, score: float) -> bool:
        """Return whether it is certain of the detections above a score, see `entry`."""
        if self.value is None:
            return True
        entry = curve.at(score)
        return entry is not None and bool(curve.ends(self.measure, CERTAIN)[0][entry] >= self.value)

    def entry(self, curve: ScoreCurve) -> tuple[int, bool] | None:
        """Return the entry of a curve that the wish chooses, and whether it holds there; None without one.

        The value itself would choose by luck: of many scores the one at which the images say more than
        is true. So the lower end of an interval has to be what is wished, one-sided at 90 %. Of the
        entries at which it is, a precision takes the lowest score, a recall the highest; without one, the
        entry whose lower end is highest is taken.
        """
        if not len(curve.score) or not curve.objects:
            return None
        if self.value is None:
            return int(curve.f1.argmax()), True
        low, _ = curve.ends(self.measure, CERTAIN)
        fits = np.flatnonzero(low >= self.value)
        if not len(fits):
            return int(low.argmax()), False
        return int(fits[-1] if self.measure == PRECISION else fits[0]), True


class Chosen(NamedTuple):
    """The score of a class, and what was measured there, on the images that chose it.

    Attributes:
        name: of the class; objects: how many it has.
        score: its threshold.
        own: whether the class chose it; otherwise all classes together did.
        holds: whether the wish does.
        detections: how many score above it and count.
        precision, recall: an `Interval` of 95 % each; None without detections, or objects.
        f1: at the threshold; None without objects.
    """

    name: str
    objects: int
    score: float
    own: bool
    holds: bool
    detections: int
    precision: Interval | None
    recall: Interval | None
    f1: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        parts = {"precision": self.precision, "recall": self.recall}
        values = {
            key: None if one is None else [round(value, 4) for value in one]
            for key, one in parts.items()
        }
        return self._asdict() | values | {"f1": None if self.f1 is None else round(self.f1, 4)}


@dataclass(frozen=True)
class Scores:
    """The scores that a wish chose.

    Attributes:
        wish: the `Wish`.
        classes: a `Chosen` per class, in order of the class index.
        together: of all classes, None if they have different scores that were not chosen here.
    """

    wish: Wish
    classes: list[Chosen]
    together: Chosen | None

    @property
    def class_scores(self) -> tuple[float, ...]:
        """The threshold of each class."""
        return tuple(one.score for one in self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "wish": str(self.wish), "classes": [one.to_dict() for one in self.classes],
            **({} if self.together is None else {"all": self.together.to_dict()}),
        }  # fmt: skip

    def summary(self, images: int, annotations: StrPath, listed: StrPath | None) -> dict[str, Any]:
        """Return what the spec records of it.

        Args:
            images: how many it was chosen on; annotations: their file or folder; listed: the list of
                those images that were taken, None for all.
        """
        names = {"annotations": annotations} | ({} if listed is None else {"list": listed})
        return {
            "wish": str(self.wish), "images": images,
            **{key: Path(path).name for key, path in names.items()},
            "of_all_classes": [one.name for one in self.classes if not one.own],
            "not_certain": [one.name for one in self.classes if not one.holds],
        }  # fmt: skip


def choose(
    wish: Wish, curves: Sequence[ScoreCurve], together: ScoreCurve, lowest: float, model: StrPath
) -> Scores:
    """Choose a score for each class.

    Args:
        wish: the `Wish`.
        curves: of each class, from detections of which none was left out because others scored higher:
            their thresholds let through fewer of these.
        together: of all classes, which have the same threshold there.
        lowest: the threshold that all detections score above.
        model: names it in messages.

    Raises:
        NanodetError: not one detection counts, or there is no object.
    """
    found = wish.entry(together)
    if not together.objects:
        raise NanodetError(f"{model}: {OPTION}: these images have no objects")
    if found is None:
        raise NanodetError(f"{model}: {OPTION}: it finds nothing in these images")
    shared = threshold_of(together, found[0], lowest)
    classes = []
    for curve in curves:
        entry = wish.entry(curve) if curve.objects >= FEWEST else None
        score = shared if entry is None else threshold_of(curve, entry[0], lowest)
        holds = found[1] if entry is None else entry[1]
        classes.append(_chosen(curve, score, entry is not None, holds))
    return Scores(wish, classes, _chosen(together, shared, True, found[1]))


def as_shown(scores: Scores, curves: Sequence[ScoreCurve]) -> Scores:
    """Return what the scores of a wish are worth once the model has them.

    A model shows the best boxes of an image alone, so that some of those that chose may be left out.

    Args:
        scores: of `choose`.
        curves: of each class, from the detections above the scores.
    """
    classes = [
        _chosen(curve, one.score, one.own,
                one.holds and (not one.own or scores.wish.holds(curve, one.score)))
        for curve, one in zip(curves, scores.classes, strict=True)
    ]  # fmt: skip
    return replace(scores, classes=classes)


def kept(
    curves: Sequence[ScoreCurve], together: ScoreCurve, spec: Spec, wish: str = KEEP
) -> Scores:
    """Return what the scores of a spec are worth, or its one score if ``wish`` is `NONE`; see `as_shown`."""
    own = spec.class_scores if wish == KEEP else None
    scores = own or (spec.score,) * len(curves)
    classes = [_chosen(*one, True, True) for one in zip(curves, scores, strict=True)]
    same = _chosen(together, scores[0], True, True) if len(set(scores)) == 1 else None
    return Scores(Wish(wish), classes, same)


def threshold_of(curve: ScoreCurve, entry: int, lowest: float) -> float:
    """Return the threshold above which exactly the detections of an entry score, of few digits.

    Args:
        curve, entry: see `ScoreCurve`.
        lowest: the threshold that all detections score above.
    """
    last = entry + 1 == len(curve.score)
    low, high = np.float32(lowest if last else curve.score[entry + 1]), curve.score[entry]
    for digits in range(2, 9):
        for rounded in (math.floor, math.ceil):
            score = rounded(float(low) * 10**digits) / 10**digits
            if low <= np.float32(score) < high:
                return score
    return float(low)


def _chosen(curve: ScoreCurve, score: float, own: bool, holds: bool) -> Chosen:
    entry = curve.at(score)
    if entry is None:
        recall = f1 = None
        if curve.objects:
            low, high = wilson(np.zeros(1), np.array([curve.objects], float))
            recall, f1 = Interval(0.0, float(low[0]), float(high[0])), 0.0
        return Chosen(curve.name, curve.objects, score, own, holds, 0, None, recall, f1)
    return Chosen(
        curve.name,
        curve.objects,
        score,
        own,
        holds,
        int(curve.detections[entry]),
        curve.interval(PRECISION, entry),
        curve.interval(RECALL, entry) if curve.objects else None,
        float(curve.f1[entry]) if curve.objects else None,
    )
