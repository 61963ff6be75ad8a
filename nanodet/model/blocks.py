"""The convolution blocks that parts share."""

from collections.abc import Callable

from torch import nn

# by the names that config files have
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "LeakyReLU": lambda: nn.LeakyReLU(0.1, inplace=True),
    "ReLU": lambda: nn.ReLU(inplace=True),
    "ReLU6": lambda: nn.ReLU6(inplace=True),
    "SiLU": lambda: nn.SiLU(inplace=True),
    "HardSwish": lambda: nn.Hardswish(inplace=True),
    "Hardswish": lambda: nn.Hardswish(inplace=True),
    "GELU": nn.GELU,
    "ELU": lambda: nn.ELU(inplace=True),
    "SELU": lambda: nn.SELU(inplace=True),
    "PReLU": nn.PReLU,
}


def activation(name: str) -> nn.Module:
    """Return a new activation layer."""
    return ACTIVATIONS[name]()


def batch_norm(channels, section):
    """Return a new batch norm as a config's ``norm_cfg`` (`nanodet.config.model_sections.Norm`) says."""
    norm = nn.BatchNorm2d(channels, section.eps, section.momentum)
    return norm.requires_grad_(section.requires_grad)


class Lateral(nn.Sequential):
    """A 1 x 1 convolution: (B, C_in, H, W) to (B, C_out, H, W).

    With a bias and nothing behind it, unless ``norm`` asks for a batch norm (then there is no bias)
    or ``act`` for an activation.
    """

    def __init__(self, channels_in, channels_out, norm=None, act=None):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 1, bias=norm is None)
        if norm is not None:
            self.bn = batch_norm(channels_out, norm)
        if act is not None:
            self.act = activation(act)


class DepthwiseSeparable(nn.Module):
    """Depthwise 3 x 3, then pointwise 1 x 1, each with batch norm and activation."""

    def __init__(self, channels_in, channels_out, norm, act):
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels_in, channels_in, 3, 1, 1, groups=channels_in, bias=False
        )
        self.dwnorm = batch_norm(channels_in, norm)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.pwnorm = batch_norm(channels_out, norm)
        self.act = activation(act)

    def forward(self, x):
        x = self.act(self.dwnorm(self.depthwise(x)))
        return self.act(self.pwnorm(self.pointwise(x)))
