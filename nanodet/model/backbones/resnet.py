"""ResNet (He et al., CVPR 2016) as a feature extractor."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nanodet.config.keys import REQUIRED
from nanodet.model.backbones import keys
from nanodet.model.backbones.layers import initialise
from nanodet.model.backbones.stages import Stage, StagedBackbone
from nanodet.model.blocks import activation, conv_norm
from nanodet.model.part import Fail, Part, Pretrained

STRIDES = {1: 4, 2: 8, 3: 16, 4: 32}
# blocks of each stage
BLOCKS = {
    18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3),
}  # fmt: skip
_BOTTLENECKS = (50, 101, 152)
# torchvision's first weights, in the form in which it publishes them today
_DIGITS = {18: "f37072fd", 34: "b627a593", 50: "0676ba61", 101: "63fe2227", 152: "394f9c45"}


@dataclass
class Section:
    name: str = keys.key("ResNet", "the backbone", known=("ResNet",))
    depth: int = keys.size(REQUIRED, "number of layers", known=BLOCKS)
    out_stages: list[int] = keys.out_stages([1, 2, 3, 4], STRIDES)
    activation: str = keys.activation("ReLU")
    pretrain: bool | str = keys.pretrain("torchvision's")

    def check(self, fail: Fail) -> None:
        keys.check_out_stages(self.out_stages, STRIDES, fail)


class Residual(nn.Module):
    """Two or three convolutions and a shortcut: y = act(F(x) + x).

    If the shape changes, the shortcut is a 1 x 1 convolution.

    Args:
        channels_in: input channels.
        width: channels of the 3 x 3 convolution; a bottleneck has 4 times as many output channels.
        stride: of the first 3 x 3 convolution.
        bottleneck: 1 x 1, 3 x 3, 1 x 1 instead of two 3 x 3.
        act: name of the activation.
    """

    def __init__(
        self, channels_in: int, width: int, stride: int, bottleneck: bool, act: str
    ) -> None:
        super().__init__()
        self.channels = 4 * width if bottleneck else width
        first = (1, 1, width), (3, stride, width), (1, 1, self.channels)
        layers = first if bottleneck else ((3, stride, width), (3, 1, width))
        channels = channels_in
        for i, (kernel, step, channels_out) in enumerate(layers, 1):
            conv, norm = conv_norm(channels, channels_out, kernel, step)
            self.add_module(f"conv{i}", conv)
            self.add_module(f"bn{i}", norm)
            channels = channels_out
        self.act = activation(act)
        self.downsample = None
        if stride > 1 or channels_in != self.channels:
            self.downsample = nn.Sequential(*conv_norm(channels_in, self.channels, 1, stride))
        self._count = len(layers)

    def forward(self, x: Tensor) -> Tensor:
        past = x if self.downsample is None else self.downsample(x)
        for i in range(1, self._count + 1):
            x = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x))
            x = self.act(x if i < self._count else x + past)
        return x


class ResNet(StagedBackbone):
    """See `StagedBackbone` for the shapes.

    Args:
        depth: 18, 34, 50, 101 or 152.
        out_stages: stages whose maps are returned, of 1 to 4 (strides 4 to 32).
        act: name of the activation.
    """

    def __init__(
        self, depth: int, out_stages: Sequence[int] = (1, 2, 3, 4), act: str = "ReLU"
    ) -> None:
        super().__init__()
        channels = 64
        self.conv1, self.bn1 = conv_norm(3, channels, 7, 2)
        self.act = activation(act)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages = []
        for number, blocks in enumerate(BLOCKS[depth], 1):
            layer = nn.Sequential()
            for i in range(blocks):
                stride = 2 if number > 1 and i == 0 else 1
                width = 32 * 2**number
                block = Residual(channels, width, stride, depth in _BOTTLENECKS, act)
                layer.append(block)
                channels = block.channels
            self.add_module(f"layer{number}", layer)
            stages.append(Stage(number, f"layer{number}", channels, STRIDES[number]))
        initialise(self)
        self.set_stages(("conv1", "bn1", "act", "maxpool"), stages, out_stages)


def build(section: Section) -> ResNet:
    """Build the backbone with random weights."""
    return ResNet(section.depth, section.out_stages, section.activation)


def pretrained(section: Section) -> Pretrained:
    """Return where torchvision publishes its ImageNet weights."""
    digits = _DIGITS[section.depth]
    url = f"https://download.pytorch.org/models/resnet{section.depth}-{digits}.pth"
    return Pretrained(url, digits)


PART = Part(Section, build, pretrained)
