"""The detectors: combinations of a backbone, a neck and heads."""

from nanodet.model.detectors import nanodet_plus, one_stage
from nanodet.model.part import Part

DETECTORS: dict[str, Part] = {
    "OneStageDetector": one_stage.PART,
    "GFL": one_stage.PART,  # its name in old files
    "NanoDetPlus": nanodet_plus.PART,
}
