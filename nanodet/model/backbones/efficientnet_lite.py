"""EfficientNet-Lite: EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation, with ReLU6."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nanodet.config.keys import REQUIRED
from nanodet.model.backbones import keys
from nanodet.model.backbones.layers import divisible, initialise
from nanodet.model.backbones.stages import Stage, StagedBackbone
from nanodet.model.blocks import activation, conv_norm
from nanodet.model.part import Fail, Part, Pretrained

# blocks, kernel, stride of the first block, expansion and channels of each stage of Lite0
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
STRIDES = {0: 2, 1: 4, 2: 8, 3: 16, 4: 16, 5: 32, 6: 32}
# factors of width and depth
SIZES = {
    "efficientnet_lite0": (1.0, 1.0),
    "efficientnet_lite1": (1.0, 1.1),
    "efficientnet_lite2": (1.1, 1.2),
    "efficientnet_lite3": (1.2, 1.4),
    "efficientnet_lite4": (1.4, 1.8),
}
_DROPPED = 0.2  # of the last block, in training


@dataclass
class Section:
    name: str = keys.key("EfficientNetLite", "the backbone", known=("EfficientNetLite",))
    model_name: str = keys.size(REQUIRED, "the size", known=SIZES)
    out_stages: list[int] = keys.out_stages([2, 4, 6], STRIDES)
    activation: str = keys.activation(
        "ReLU6", "after the first convolution; the others have ReLU6, as in the original"
    )
    pretrain: bool | str = keys.pretrain("the original's")

    def check(self, fail: Fail) -> None:
        keys.check_out_stages(self.out_stages, STRIDES, fail)


def _conv_norm(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    conv, norm = conv_norm(channels_in, channels_out, kernel, stride, groups)
    norm.momentum, norm.eps = 0.01, 1e-3
    return conv, norm


class MBConv(nn.Module):
    """1 x 1 to more channels, depthwise k x k, 1 x 1 to few without an activation.

    The input is added if the shape stays the same; training then skips the convolutions for some of
    the images (stochastic depth, Huang et al. 2016).

    Args:
        channels_in, channels_out: channels.
        kernel, stride: of the depthwise convolution.
        expansion: factor of the inner channels; 1: the first convolution is left out.
        dropped: fraction of the images for which the convolutions are skipped.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int,
        expansion: int,
        dropped: float,
    ) -> None:
        super().__init__()
        width = channels_in * expansion
        self.expands, self.kept = expansion > 1, 1 - dropped
        self.adds = stride == 1 and channels_in == channels_out
        if self.expands:
            self._expand_conv, self._bn0 = _conv_norm(channels_in, width, 1)
        self._depthwise_conv, self._bn1 = _conv_norm(width, width, kernel, stride, groups=width)
        self._project_conv, self._bn2 = _conv_norm(width, channels_out, 1)
        self._relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self._relu(self._bn0(self._expand_conv(x))) if self.expands else x
        y = self._relu(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        if self.adds and self.training and self.kept < 1:
            kept = y.new_empty(len(y), 1, 1, 1).bernoulli_(self.kept)
            y = y * (kept / self.kept)
        return x + y if self.adds else y


class EfficientNetLite(StagedBackbone):
    """See `StagedBackbone` for the shapes.

    Args:
        size: efficientnet_lite0 to efficientnet_lite4.
        out_stages: stages whose maps are returned, of 0 to 6, see `STRIDES`.
        act: name of the activation after the first convolution.
    """

    def __init__(
        self, size: str, out_stages: Sequence[int] = (2, 4, 6), act: str = "ReLU6"
    ) -> None:
        super().__init__()
        width, depth = SIZES[size]
        last = len(STAGES) - 1
        counts = [
            blocks if number in (0, last) else math.ceil(depth * blocks)
            for number, (blocks, *_) in enumerate(STAGES)
        ]
        channels, index = 32, 0  # in all sizes
        self.stem = nn.Sequential(*_conv_norm(3, channels, 3, 2), activation(act))
        self.blocks = nn.ModuleList()
        stages = []
        for number, (_, kernel, first, expansion, base) in enumerate(STAGES):
            channels_out, stage = divisible(base * width, 8), nn.Sequential()
            for i in range(counts[number]):
                dropped = _DROPPED * index / sum(counts)
                stride = 1 if i else first
                stage.append(MBConv(channels, channels_out, kernel, stride, expansion, dropped))
                channels, index = channels_out, index + 1
            self.blocks.append(stage)
            stages.append(Stage(number, f"blocks.{number}", channels, STRIDES[number]))
        initialise(self)
        self.set_stages(("stem",), stages, out_stages)


def build(section: Section) -> EfficientNetLite:
    """Build the backbone with random weights."""
    return EfficientNetLite(section.model_name, section.out_stages, section.activation)


def pretrained(section: Section) -> Pretrained:
    """Return where the original's author publishes ImageNet weights."""
    releases = "https://github.com/RangiLyu/EfficientNet-Lite/releases/download/v1.0"
    return Pretrained(f"{releases}/{section.model_name}.pth", None)


PART = Part(Section, build, pretrained)
