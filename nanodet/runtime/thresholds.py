"""Which boxes of a network's output are kept."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from nanodet.errors import NanodetError
from nanodet.runtime.options import check_number, check_whole
from nanodet.text.brief import brief

MOST_BOXES = 1_000_000_000  # of per_level and per_picture; `nanodet.runtime.decode` uses fewer


@dataclass(kw_only=True)
class Thresholds:
    """Which boxes of a network's output are kept.

    Attributes:
        score: pairs of point and class must score above it, 0..1.
        nms_iou: IoU above which the lower scored of two boxes is removed, 0..1.
        per_level: the best pairs kept of each level before NMS.
        per_picture: the best boxes kept after NMS.
        class_agnostic_nms: whether NMS ignores classes; otherwise it works within each class.
        class_scores: one score per class, which replaces ``score``; None: ``score`` for all.
    """

    score: float = 0.35
    nms_iou: float = 0.6
    per_level: int = 1000
    per_picture: int = 100
    class_agnostic_nms: bool = False
    class_scores: tuple[float, ...] | None = None

    @property
    def lowest_score(self) -> float:
        """The score that pairs of every class must be above."""
        return self.score if self.class_scores is None else min(self.class_scores)

    def scores_of(self, labels: np.ndarray) -> np.ndarray:
        """Return the score that counts for each class index, float32 in the shape of ``labels``."""
        scores = (self.score,) if self.class_scores is None else self.class_scores
        # of one score, and of class indices that a foreign graph makes up, the last
        return np.take(np.asarray(scores, np.float32), labels, mode="clip")

    @classmethod
    def of(cls, source: Any, **given: Any) -> "Thresholds":
        """Return the thresholds of an object, replaced by those ``given`` that are not None.

        Args:
            source: has them as attributes: a `Thresholds`, a `Spec`, or a config's ``evaluator``, which
                has one score for all classes.
            given: name to value, or None for that of ``source``; a ``score`` is for all classes.
        """
        given = {name: value for name, value in given.items() if value is not None}
        own = {name: getattr(source, name) for name in NAMES if hasattr(source, name)}
        if "score" in given:
            own["class_scores"] = None
        return Thresholds(**own | given)


NAMES = tuple(field.name for field in dataclasses.fields(Thresholds))


def check_thresholds(
    score: Any = None,
    nms_iou: Any = None,
    per_level: Any = None,
    per_picture: Any = None,
    class_agnostic_nms: Any = None,
) -> None:
    """Raise `NanodetError` for the first impossible threshold; None is always valid.

    Args:
        score, nms_iou, per_level, per_picture, class_agnostic_nms: see `Thresholds`.
    """
    for name, value in (("score", score), ("nms_iou", nms_iou)):
        if value is not None:
            check_number(name, value, 0, 1)
    for name, value in (("per_level", per_level), ("per_picture", per_picture)):
        if value is not None:
            check_whole(name, value, 1, MOST_BOXES)
    if not (class_agnostic_nms is None or isinstance(class_agnostic_nms, (bool, np.bool_))):
        raise NanodetError(
            f"class_agnostic_nms: must be true or false, not {brief(class_agnostic_nms)}"
        )
