"""The ghost bottleneck (GhostNet: Han et al., CVPR 2020), used in GhostNet and GhostPAN."""

import torch
from torch import Tensor, nn

from nanodet.model.blocks import conv_norm, conv_norm_act


class GhostModule(nn.Module):
    """Half of the channels by a 1 x 1 convolution, the other half from these by a depthwise 3 x 3.

    Shapes: (B, C_in, H, W) to (B, C_out, H, W), C_out even.
    """

    def __init__(self, channels_in: int, channels_out: int, act: str | None):
        super().__init__()
        half = channels_out // 2
        self.primary_conv = conv_norm_act(channels_in, half, 1, act)
        self.cheap_operation = conv_norm_act(half, half, 3, act, groups=half)

    def forward(self, x: Tensor) -> Tensor:
        primary = self.primary_conv(x)
        return torch.cat((primary, self.cheap_operation(primary)), dim=1)


class GhostBottleneck(nn.Module):
    """Two ghost modules and a shortcut: (B, C_in, H, W) to (B, C_out, H / stride, W / stride).

    Args:
        channels_in, hidden, channels_out: channels before, between and after; the latter two are even.
        kernel: side of the depthwise kernels of the shortcut and of the convolution with a stride.
        stride: 1 or 2.
        act: name of the activation after the first module.
        squeeze: squeeze-and-excitation of the hidden channels, None for none.
    """

    def __init__(
        self,
        channels_in: int,
        hidden: int,
        channels_out: int,
        kernel: int,
        stride: int,
        act: str,
        squeeze: nn.Module | None = None,
    ):
        super().__init__()
        self.ghost1 = GhostModule(channels_in, hidden, act)
        if stride > 1:
            self.conv_dw, self.bn_dw = conv_norm(hidden, hidden, kernel, stride, groups=hidden)
        self.stride, self.se = stride, squeeze
        self.ghost2 = GhostModule(hidden, channels_out, None)
        self.shortcut = nn.Sequential()
        if channels_in != channels_out or stride > 1:
            self.shortcut = nn.Sequential(
                *conv_norm(channels_in, channels_in, kernel, stride, groups=channels_in),
                *conv_norm(channels_in, channels_out, 1),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.ghost1(x)
        if self.stride > 1:
            y = self.bn_dw(self.conv_dw(y))
        if self.se is not None:
            y = self.se(y)
        return self.ghost2(y) + self.shortcut(x)
