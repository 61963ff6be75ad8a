"""The neck of NanoDet-m as `nanodet.model.network` calls it, see `nanodet.model.necks`."""

from nanodet.model.necks import pan


def PAN(in_channels, out_channels, norm=None, act=None):
    strides = [8 * 2**i for i in range(len(in_channels))]
    return pan.PAN(in_channels, strides, out_channels, norm, act)
