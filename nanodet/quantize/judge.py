"""Decides whether a quantised model is good enough: by AP, or by the detections that both models have."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from nanodet.compare.twins import NEEDED, share_of_twins
from nanodet.data.records import Annotations, Picture
from nanodet.errors import NanodetError
from nanodet.evaluate.bootstrap import change_text
from nanodet.evaluate.coco_metrics import Metrics
from nanodet.evaluate.intervals import FEWEST, Resampled, resampled
from nanodet.evaluate.run import evaluate_model, evaluation_detector
from nanodet.files import StrPath
from nanodet.images.image_file import read_picture
from nanodet.runtime.detections import Detections

TWIN_PICTURES = 200  # most images compared if there are no annotations


class Budget(NamedTuple):
    """Points of AP that may be lost; if ``sure``, by all of the final check's 95 % interval."""

    max_drop: float
    sure: bool = False


class Judge(Protocol):
    """Decides whether a quantised model is good enough, and keeps the last figures."""

    @property
    def twins(self) -> float | None:
        """Part, 0..1, of the detections that both models have; None where AP decides."""

    def start(self, model: StrPath) -> None:
        """Measure the floating-point model."""

    def accepts(self, model: StrPath, final: bool) -> tuple[bool, str]:
        """Return (whether the model is good enough, what was found in words)."""
        ...

    def measured(self) -> Sequence[Picture] | Sequence[Path]:
        """Return the images that are not used for calibration."""
        ...

    def accuracy(self) -> dict[str, Any]:
        """Return the figures of the last final check; empty if there is no AP."""
        ...


@dataclass
class ApJudge:
    """Compares AP with that of the floating-point model.

    While layers are chosen, AP is measured on the calibration images, and on the measuring images only
    for the final check, once it is good enough on the others.

    Attributes:
        calibration, measuring: two disjoint `nanodet.data.records.Annotations`.
        budget: what AP may be lost.
        looks: how often the measuring images were used.
    """

    calibration: Annotations
    measuring: Annotations
    budget: Budget
    looks: int = 0
    calibrated: float = 0.0
    full: Resampled | None = None
    last: Resampled | None = None
    twins: None = None

    def start(self, model: StrPath) -> None:
        """Evaluate the floating-point model."""
        self.calibrated = _ap(self._measure(model, "calibration"))
        self.full = resampled(self._measure(model, "measuring"), sizes=False)
        if self.budget.sure and self.full.interval() is None:
            raise NanodetError(
                f"--sure: needs objects in {FEWEST} or more of the images to measure on"
            )

    def accepts(self, model: StrPath, final: bool) -> tuple[bool, str]:
        """Return (whether the model is good enough, what was found in words)."""
        if not final:
            ap = _ap(self._measure(model, "calibration"))
            change, interval = ap - self.calibrated, None
        else:
            assert self.full is not None
            self.looks += 1
            self.last = resampled(self._measure(model, "measuring"), sizes=False)
            ap, interval = self.last.value(), self.last.minus(self.full)
            change = ap - self.full.value()
        lost = -interval.low if interval is not None and self.budget.sure else -change
        name = "measuring" if final else "calibration"
        words = f"AP {ap:.2f} on the {name} images: {change_text(change, interval)}"
        return lost <= self.budget.max_drop, words

    def measured(self) -> Sequence[Picture]:
        """Return the images that are not used for calibration."""
        return self.measuring.pictures

    def accuracy(self) -> dict[str, Any]:
        """Return the figures of the last final check."""
        full, ours = self.full, self.last
        assert full is not None and ours is not None
        change = ours.minus(full)
        found = {
            "fp32": full.interval(), "int8": ours.interval(), "drop": change and change.negative(),
        }  # fmt: skip
        return {
            "fp32": full.value(), "int8": ours.value(), "drop": full.value() - ours.value(),
            "looks": self.looks, "intervals": {name: one and one.ends(3) for name, one in found.items()},
        }  # fmt: skip

    def _measure(self, model: StrPath, name: str) -> Metrics:
        metrics, _ = evaluate_model(
            evaluation_detector(str(model)), getattr(self, name), progress=False, intervals=False
        )
        if metrics.AP is None:
            raise NanodetError(f"annotations: the {name} images have no objects to measure AP on")
        return metrics


@dataclass
class TwinJudge:
    """Counts the detections above 0.3 that both models have, on images without annotations.

    Attributes:
        calibration, measuring: two disjoint lists of image files.
        looks: how often the measuring images were used.
    """

    calibration: list[Path]
    measuring: list[Path]
    looks: int = 0
    twins: float | None = None

    def start(self, model: StrPath) -> None:
        """Detect with the floating-point model."""
        self.reference = {name: self._detect(model, name) for name in ("calibration", "measuring")}

    def accepts(self, model: StrPath, final: bool) -> tuple[bool, str]:
        """Return (whether the model is good enough, what was found in words)."""
        name = "measuring" if final else "calibration"
        self.looks += final
        share = share_of_twins(self._detect(model, name), self.reference[name])
        if share is None:
            raise NanodetError(
                f"--images: nothing scores above 0.3 in the {name} images, so nothing can be "
                "compared: give images of what the model detects, or --annotations"
            )
        self.twins = share
        return share >= NEEDED, f"{100 * share:.1f} % twins on the {name} images"

    def measured(self) -> Sequence[Path]:
        """Return the images that are not used for calibration."""
        return self.measuring[:TWIN_PICTURES]

    def accuracy(self) -> dict[str, Any]:
        """Return nothing: there is no AP."""
        return {}

    def _detect(self, model: StrPath, name: str) -> list[Detections]:
        detector = evaluation_detector(str(model))
        return [detector(read_picture(p)) for p in getattr(self, name)[:TWIN_PICTURES]]


def _ap(metrics: Metrics) -> float:
    assert metrics.AP is not None
    return metrics.AP
