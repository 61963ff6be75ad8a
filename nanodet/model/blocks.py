"""The layers that backbones, necks and heads share."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn

from nanodet.model.norms import normalisation

# by their names in config files
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


def conv_norm(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Return a convolution without bias, whose map is 1 / stride as large, and its batch norm.

    For checkpoints that name layers by their position in a list.
    """
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
    """Return `conv_norm` and an activation, or an identity if ``act`` is None."""
    layers = conv_norm(channels_in, channels_out, kernel, stride, groups)
    return nn.Sequential(*layers, activation(act) if act else nn.Identity())


class ConvNorm(nn.Sequential):
    """A convolution, its norm and its activation: (B, C_in, H, W) to (B, C_out, H / stride, W / stride).

    Output sides are rounded up. The convolution has a bias unless a norm follows.

    Args:
        channels_in, channels_out: C_in, C_out.
        kernel: side of the kernel, odd.
        norm: a config's ``norm_cfg`` (`nanodet.model.norms.Norm`), None for none.
        act: name of the activation, None for none.
        stride: of the convolution.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        norm: Any = None,
        act: str | None = None,
        stride: int = 1,
    ):
        conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=norm is None)
        layers: OrderedDict[str, nn.Module] = OrderedDict(conv=conv)
        if norm is not None:
            layers[norm.type.lower()] = normalisation(channels_out, norm)
        if act is not None:
            layers["act"] = activation(act)
        super().__init__(layers)


class DepthwiseSeparable(nn.Module):
    """A depthwise, then a pointwise convolution, each with norm and activation; arguments as `ConvNorm`."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        norm: Any,
        act: str,
        stride: int = 1,
    ):
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels_in,
            channels_in,
            kernel,
            stride,
            kernel // 2,
            groups=channels_in,
            bias=norm is None,
        )
        self.dwnorm = normalisation(channels_in, norm)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1, bias=norm is None)
        self.pwnorm = normalisation(channels_out, norm)
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.dwnorm(self.depthwise(x)))
        return self.act(self.pwnorm(self.pointwise(x)))


# values of a config's ``conv_type``
CONVOLUTIONS = {"Conv": ConvNorm, "DWConv": DepthwiseSeparable}


def convolutions(modules: Iterable[nn.Module]) -> list[nn.Conv2d]:
    """Return all convolutions inside ``modules``, to initialise them."""
    return [m for module in modules for m in module.modules() if isinstance(m, nn.Conv2d)]
