"""The section ``model`` of a config file; the sections below ``arch`` belong to the parts."""

from dataclasses import dataclass
from typing import Any

from nanodet.config.keys import MUCH, key, part


@dataclass
class WeightAverager:
    name: str = key("ExpMovingAverager", "the kind of average", known=("ExpMovingAverager",))
    decay: float = key(0.9998, "fraction of the old average that each step keeps", 0, 1)
    ramp_steps: int = key(
        2000,
        "the fraction rises in about so many steps: fewer for a short training",
        1,
        MUCH,
        ours=True,
    )


@dataclass
class Model:
    arch: Any = part(
        "nanodet.model.detectors:DETECTORS",
        "OneStageDetector",
        "the network; default: NanoDet-m",
    )
    weight_averager: WeightAverager | None = key(
        None, "evaluate and export an average of the weights; default: none"
    )
