"""Decides whether a quantised model is good enough: by AP, or by the detections that both models have."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nanodet.compare.twins import NEEDED, share_of_twins
from nanodet.data.records import Annotations, Picture
from nanodet.errors import NanodetError
from nanodet.evaluate.run import evaluate_model, evaluation_detector
from nanodet.files import StrPath
from nanodet.images.image_file import read_picture
from nanodet.runtime.detections import Detections

TWIN_PICTURES = 200  # most images compared if there are no annotations


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

    def accuracy(self) -> dict[str, float]:
        """Return the figures of the last final check; empty if there is no AP."""
        ...


@dataclass
class ApJudge:
    """Compares AP with that of the floating-point model.

    While layers are chosen, AP is measured on the calibration images, and on the measuring images only
    for the final check, once it is good enough on the others.

    Attributes:
        calibration, measuring: two disjoint `nanodet.data.records.Annotations`.
        max_drop: AP that may be lost.
        looks: how often the measuring images were used.
    """

    calibration: Annotations
    measuring: Annotations
    max_drop: float
    looks: int = 0
    reference: dict[str, float] = field(default_factory=dict)
    last: float = 0.0
    twins: None = None

    def start(self, model: StrPath) -> None:
        """Evaluate the floating-point model."""
        for name in ("calibration", "measuring"):
            self.reference[name] = self._ap(model, name)

    def accepts(self, model: StrPath, final: bool) -> tuple[bool, str]:
        """Return (whether the model is good enough, what was found in words)."""
        name = "measuring" if final else "calibration"
        self.looks += final
        self.last = self._ap(model, name)
        drop = self.reference[name] - self.last
        return drop <= self.max_drop, f"AP {self.last:.2f} on the {name} images ({-drop:+.2f})"

    def measured(self) -> Sequence[Picture]:
        """Return the images that are not used for calibration."""
        return self.measuring.pictures

    def accuracy(self) -> dict[str, float]:
        """Return the figures of the last final check."""
        full = self.reference["measuring"]
        return {"fp32": full, "int8": self.last, "drop": full - self.last, "looks": self.looks}

    def _ap(self, model: StrPath, name: str) -> float:
        metrics, _ = evaluate_model(evaluation_detector(str(model)), getattr(self, name), False)
        if metrics.AP is None:
            raise NanodetError(f"annotations: the {name} images have no objects to measure AP on")
        return metrics.AP


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

    def accuracy(self) -> dict[str, float]:
        """Return nothing: there is no AP."""
        return {}

    def _detect(self, model: StrPath, name: str) -> list[Detections]:
        detector = evaluation_detector(str(model))
        return [detector(read_picture(p)) for p in getattr(self, name)[:TWIN_PICTURES]]
