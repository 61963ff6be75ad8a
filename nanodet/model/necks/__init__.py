"""The necks: feature maps to feature maps."""

from nanodet.model.necks import conv_fpn, fpn, ghost_pan, pan, tan
from nanodet.model.part import Part

NECKS: dict[str, Part] = {
    "PAN": pan.PART,
    "FPN": fpn.PART,
    "ConvFPN": conv_fpn.PART,
    "GhostPAN": ghost_pan.PART,
    "TAN": tan.PART,
}
