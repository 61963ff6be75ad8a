"""The path aggregation neck of NanoDet: lateral convolutions, then interpolation and sums only."""

from torch import nn
from torch.nn import functional as F

from nanodet.model.blocks import Lateral


class PAN(nn.Module):
    """A PAN whose up- and down-sampling is bilinear interpolation (paper 4.6; PAN: Liu et al. 2018).

    Args:
        in_channels: channels of the backbone's maps, each half the size of the one before.
        out_channels: channels of every map that comes out.
        norm, act: what is behind the lateral convolutions, see `Lateral`.

    Shapes: maps (B, C_i, H / 2^i, W / 2^i) to as many maps (B, out_channels, H / 2^i, W / 2^i).
    """

    def __init__(self, in_channels, out_channels, norm=None, act=None):
        super().__init__()
        self.lateral_convs = nn.ModuleList(Lateral(c, out_channels, norm, act) for c in in_channels)

    def forward(self, maps):
        levels = [lateral(x) for lateral, x in zip(self.lateral_convs, maps, strict=True)]
        for i in reversed(range(1, len(levels))):
            levels[i - 1] = levels[i - 1] + _resize(levels[i], 2.0)
        for i in range(1, len(levels)):
            levels[i] = levels[i] + _resize(levels[i - 1], 0.5)
        return tuple(levels)


def _resize(x, factor):
    # a factor, not a size: so the exported graph takes other input sizes too
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
