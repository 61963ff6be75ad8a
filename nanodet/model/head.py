"""The head of NanoDet-m as `nanodet.model.network` calls it, see `nanodet.model.heads`."""

from nanodet.model.heads import nanodet_head


def NanoDetHead(
    num_classes, channels_in, channels, stacked_convs, share_cls_reg, strides, reg_max, norm, act
):
    return nanodet_head.NanoDetHead(
        num_classes, channels_in, strides, channels, stacked_convs, share_cls_reg, reg_max,
        "DWConv", norm, act,
    )  # fmt: skip
