"""The convolution blocks that neck and head share."""

from torch import nn

from nanodet.errors import NanodetError

_ACTIVATIONS = {
    "LeakyReLU": lambda: nn.LeakyReLU(0.1, inplace=True),
    "ReLU": lambda: nn.ReLU(inplace=True),
    "ReLU6": lambda: nn.ReLU6(inplace=True),
    "SiLU": lambda: nn.SiLU(inplace=True),
    "HardSwish": lambda: nn.Hardswish(inplace=True),
}


def activation(name, key):
    """Return a new activation layer; ``key`` names the config key in the error."""
    if name not in _ACTIVATIONS:
        raise NanodetError(f"{key}: {name!r} is not known; known: {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]()


class Lateral(nn.Module):
    """A 1 x 1 convolution with bias and nothing behind it: (B, C_in, H, W) to (B, C_out, H, W)."""

    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x):
        return self.conv(x)


class DepthwiseSeparable(nn.Module):
    """Depthwise 3 x 3, then pointwise 1 x 1, each with batch norm and activation."""

    def __init__(self, channels_in, channels_out, act, key):
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels_in, channels_in, 3, 1, 1, groups=channels_in, bias=False
        )
        self.dwnorm = nn.BatchNorm2d(channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.pwnorm = nn.BatchNorm2d(channels_out)
        self.act = activation(act, key)

    def forward(self, x):
        x = self.act(self.dwnorm(self.depthwise(x)))
        return self.act(self.pwnorm(self.pointwise(x)))
