"""Whether a quantised model is still good enough: by AP, or by the detections it shares."""

from dataclasses import dataclass, field

from nanodet.compare.twins import NEEDED, share_of_twins
from nanodet.errors import NanodetError
from nanodet.evaluate.run import evaluate_model, evaluation_detector
from nanodet.images.image_file import read_picture

TWIN_PICTURES = 200  # at most so many, where there are no annotations


@dataclass
class ApJudge:
    """Compares AP with the floating-point model's.

    While layers are chosen it looks at the calibration images (`drop`), and at the others only
    when those are content (`final_drop`).

    Attributes:
        calibration, measuring: two disjoint `nanodet.data.records.Annotations`.
        max_drop: AP that may be lost.
        looks: how often the measuring images were looked at.
    """

    calibration: object
    measuring: object
    max_drop: float
    looks: int = 0
    reference: dict = field(default_factory=dict)
    last: float = 0.0

    def start(self, model):
        """Evaluate the floating-point model."""
        for name in ("calibration", "measuring"):
            self.reference[name] = self._ap(model, name)
            if self.reference[name] is None:
                raise NanodetError(
                    f"annotations: the {name} images have no objects to measure AP on"
                )

    def content(self, model, finally_):
        """Return (whether the model is good enough, what was found in words)."""
        name = "measuring" if finally_ else "calibration"
        self.looks += finally_
        self.last = self._ap(model, name)
        drop = self.reference[name] - self.last
        return drop <= self.max_drop, f"AP {self.last:.2f} on the {name} images ({-drop:+.2f})"

    twins = None

    def measured(self):
        """Return the images that calibrate nothing."""
        return self.measuring.pictures

    def accuracy(self):
        """Return the figures of the last final look."""
        full = self.reference["measuring"]
        return {"fp32": full, "int8": self.last, "drop": full - self.last, "looks": self.looks}

    def _ap(self, model, name):
        metrics, _ = evaluate_model(evaluation_detector(str(model)), getattr(self, name), False)
        return metrics.AP


@dataclass
class TwinJudge:
    """Counts the detections above 0.3 that both models have, on images without annotations.

    Attributes:
        calibration, measuring: two disjoint lists of image files.
        looks: how often the measuring images were looked at.
    """

    calibration: list
    measuring: list
    looks: int = 0
    twins: float | None = None

    def start(self, model):
        """Detect with the floating-point model."""
        self.reference = {name: self._detect(model, name) for name in ("calibration", "measuring")}

    def content(self, model, finally_):
        """Return (whether the model is good enough, what was found in words)."""
        name = "measuring" if finally_ else "calibration"
        self.looks += finally_
        share = share_of_twins(self._detect(model, name), self.reference[name])
        if share is None:
            raise NanodetError(
                f"--images: nothing scores above 0.3 in the {name} images, so nothing can be "
                "compared: give images of what the model detects, or --annotations"
            )
        self.twins = share
        return share >= NEEDED, f"{100 * share:.1f} % twins on the {name} images"

    def measured(self):
        """Return the images that calibrate nothing."""
        return self.measuring[:TWIN_PICTURES]

    def accuracy(self):
        """Return nothing: there is no AP."""
        return {}

    def _detect(self, model, name):
        detector = evaluation_detector(str(model))
        return [detector(read_picture(p)) for p in getattr(self, name)[:TWIN_PICTURES]]
