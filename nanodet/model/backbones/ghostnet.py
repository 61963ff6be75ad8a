"""GhostNet (Han et al., CVPR 2020) as a feature extractor."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nanodet.model.backbones import keys
from nanodet.model.backbones.layers import divisible, initialise
from nanodet.model.backbones.stages import Stage, StagedBackbone
from nanodet.model.blocks import activation, conv_norm
from nanodet.model.ghost import GhostBottleneck
from nanodet.model.part import Fail, Part, Pretrained

# kernel, width, channels, squeeze-and-excitation and stride of the blocks of each stage (Table 1);
# stage 9 follows, a 1 x 1 convolution
STAGES = (
    ((3, 16, 16, False, 1),),
    ((3, 48, 24, False, 2),),
    ((3, 72, 24, False, 1),),
    ((5, 72, 40, True, 2),),
    ((5, 120, 40, True, 1),),
    ((3, 240, 80, False, 2),),
    (
        (3, 200, 80, False, 1), (3, 184, 80, False, 1), (3, 184, 80, False, 1),
        (3, 480, 112, True, 1), (3, 672, 112, True, 1),
    ),
    ((5, 672, 160, True, 2),),
    (
        (5, 960, 160, False, 1), (5, 960, 160, True, 1), (5, 960, 160, False, 1),
        (5, 960, 160, True, 1),
    ),
)  # fmt: skip
STRIDES = {0: 2, 1: 4, 2: 4, 3: 8, 4: 8, 5: 16, 6: 16, 7: 32, 8: 32, 9: 32}


@dataclass
class Section:
    name: str = keys.key("GhostNet", "the backbone", known=("GhostNet",))
    width_mult: float = keys.size(1.0, "factor of the channels", 0.1, 8)
    out_stages: list[int] = keys.out_stages([4, 6, 9], STRIDES)
    activation: str = keys.activation("ReLU")
    act: str | None = keys.act()
    pretrain: bool | str = keys.pretrain("the paper's")

    def check(self, fail: Fail) -> None:
        keys.check_out_stages(self.out_stages, STRIDES, fail)
        keys.check_act(self, fail)


class SqueezeExcite(nn.Module):
    """x sigma(W2 relu(W1 mean(x))), with the hard sigmoid: (B, C, H, W) to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = divisible(channels / 4, 4)
        self.conv_reduce = nn.Conv2d(channels, squeezed, 1)
        self.act1 = nn.ReLU(inplace=True)
        self.conv_expand = nn.Conv2d(squeezed, channels, 1)
        self.gate = nn.Hardsigmoid()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.conv_expand(self.act1(self.conv_reduce(self.avg_pool(x))))
        return x * self.gate(gate)


class ConvNormAct(nn.Module):
    """A 1 x 1 convolution with batch norm and activation, under the names of checkpoints."""

    def __init__(self, channels_in: int, channels_out: int, act: str) -> None:
        super().__init__()
        self.conv, self.bn1 = conv_norm(channels_in, channels_out, 1)
        self.act1 = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        return self.act1(self.bn1(self.conv(x)))


class GhostNet(StagedBackbone):
    """See `StagedBackbone` for the shapes.

    Args:
        width: factor of the channels, which are multiples of 4.
        out_stages: stages whose maps are returned, of 0 to 9, see `STRIDES`.
        act: name of the activation.
    """

    def __init__(
        self, width: float = 1.0, out_stages: Sequence[int] = (4, 6, 9), act: str = "ReLU"
    ) -> None:
        super().__init__()
        channels = divisible(16 * width, 4)
        self.conv_stem, self.bn1 = conv_norm(3, channels, 3, 2)
        self.act1 = activation(act)
        self.blocks = nn.Sequential()
        stages = []
        for number, blocks in enumerate(STAGES):
            stage = nn.Sequential()
            for kernel, middle, base, excites, stride in blocks:
                inner, channels_out = divisible(middle * width, 4), divisible(base * width, 4)
                squeeze = SqueezeExcite(inner) if excites else None
                stage.append(
                    GhostBottleneck(channels, inner, channels_out, kernel, stride, act, squeeze)
                )
                channels = channels_out
            self.blocks.append(stage)
            stages.append(Stage(number, f"blocks.{number}", channels, STRIDES[number]))
        last = divisible(STAGES[-1][-1][1] * width, 4)
        self.blocks.append(nn.Sequential(ConvNormAct(channels, last, act)))
        stages.append(Stage(9, "blocks.9", last, STRIDES[9]))
        initialise(self)
        self.set_stages(("conv_stem", "bn1", "act1"), stages, out_stages)


def build(section: Section) -> GhostNet:
    """Build the backbone with random weights."""
    return GhostNet(section.width_mult, section.out_stages, section.act or section.activation)


def pretrained(section: Section) -> Pretrained | None:
    """Return where the paper's authors publish ImageNet weights, which exist for full width only."""
    if section.width_mult != 1:
        return None
    folder = "https://raw.githubusercontent.com/huawei-noah/CV-Backbones/master/ghostnet_pytorch"
    return Pretrained(f"{folder}/models/state_dict_73.98.pth", None)


PART = Part(Section, build, pretrained)
