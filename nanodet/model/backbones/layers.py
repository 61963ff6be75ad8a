"""The layers that backbones share; in a list, because checkpoints name them by their place in it."""

from torch import nn

from nanodet.model.blocks import activation


def conv_norm(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Return a convolution without bias, whose map is 1 / stride as large, and its batch norm."""
    padding = kernel // 2
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False)
    return conv, nn.BatchNorm2d(channels_out)


def conv_norm_act(
    channels_in: int,
    channels_out: int,
    kernel: int,
    act: str | None,
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Return `conv_norm` and an activation, in whose place nothing is where ``act`` is None."""
    layers = conv_norm(channels_in, channels_out, kernel, stride, groups)
    return nn.Sequential(*layers, activation(act) if act else nn.Identity())


def divisible(channels: float, divisor: int) -> int:
    """Return the nearest multiple of ``divisor``, not below it nor below 0.9 ``channels``.

    How MobileNet and those after it round widths: ``max(d, floor(c + d / 2) // d * d)``.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def initialise(backbone: nn.Module) -> None:
    """Draw the convolutions as He et al. (ICCV 2015) do, by the values that come out."""
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
