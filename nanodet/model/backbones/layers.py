"""Widths and initial weights that backbones share."""

from torch import nn


def divisible(channels: float, divisor: int) -> int:
    """Return the nearest multiple of ``divisor``, not below it nor below 0.9 ``channels``.

    How MobileNet and its successors round widths: ``max(d, floor(c + d / 2) // d * d)``.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def initialise(backbone: nn.Module) -> None:
    """Initialise the convolutions as He et al. (ICCV 2015) do, by their fan-out."""
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
