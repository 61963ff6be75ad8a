"""The heads: feature maps to class scores and edges."""

from nanodet.model.heads import gfl_head, nanodet_head, nanodet_plus_head, simple_conv_head
from nanodet.model.part import Part

HEADS: dict[str, Part] = {
    "NanoDetHead": nanodet_head.PART,
    "GFLHead": gfl_head.PART,
    "NanoDetPlusHead": nanodet_plus_head.PART,
}
# auxiliary heads, for training only
AUXILIARY_HEADS: dict[str, Part] = {
    "SimpleConvHead": simple_conv_head.PART,
}
