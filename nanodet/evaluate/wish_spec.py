"""Writes the scores of a wish into the specs of a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanodet.errors import NanodetError
from nanodet.evaluate.model_specs import change_specs, check_changeable
from nanodet.evaluate.wish import NONE, OPTION, Scores, Wish
from nanodet.files import StrPath
from nanodet.runtime.spec import Spec


def check_wish(model: StrPath, spec: Spec, wish: Wish) -> None:
    """Raise the `NanodetError` that `write_scores` would raise, before the long run."""
    check_changeable(model, OPTION, "the scores")
    if spec.class_agnostic_nms and wish.measure != NONE:
        raise NanodetError(
            f"{model}: {OPTION}: with class-agnostic NMS a box of one class removes one of another, so that "
            "the score of a class changes what is found of others: no score can be chosen for each alone"
        )


def write_scores(model: StrPath, scores: Scores, record: Mapping[str, Any]) -> list[Path]:
    """Write ``thresholds.class_scores`` into all specs of a model, or remove it, see `change_specs`.

    Args:
        model: an ``.onnx`` or ``.param`` file.
        scores: what was chosen.
        record: what is recorded under ``measured.class_scores`` of the JSON beside it.
    """
    none = scores.wish.measure == NONE
    changes = {"class_scores": None if none else scores.class_scores}
    return change_specs(model, OPTION, changes, {"class_scores": None if none else dict(record)})
