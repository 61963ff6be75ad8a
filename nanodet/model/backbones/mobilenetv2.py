"""MobileNetV2 (Sandler et al., CVPR 2018) as a feature extractor."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nanodet.model.backbones import keys
from nanodet.model.backbones.layers import initialise
from nanodet.model.backbones.stages import Stage, StagedBackbone
from nanodet.model.blocks import conv_norm, conv_norm_act
from nanodet.model.part import Fail, Part, Pretrained

# expansion, channels, blocks and stride of the first block of each stage (Table 2)
STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip
STRIDES = {0: 2, 1: 4, 2: 8, 3: 16, 4: 16, 5: 32, 6: 32}
_LAST = 1280


@dataclass
class Section:
    name: str = keys.key("MobileNetV2", "the backbone", known=("MobileNetV2",))
    width_mult: float = keys.size(1.0, "factor of the channels", 0.1, 8)
    out_stages: list[int] = keys.out_stages([1, 2, 4, 6], STRIDES)
    last_channel: int = keys.key(
        _LAST, "channels of the 1 x 1 convolution that ends stage 6", 1, 65536,
        alike=("with_last_conv",),
    )  # fmt: skip
    activation: str = keys.activation("ReLU")
    act: str | None = keys.act()
    pretrain: bool | str = keys.pretrain("torchvision's", default=False)

    def check(self, fail: Fail) -> None:
        keys.check_out_stages(self.out_stages, STRIDES, fail)
        keys.check_act(self, fail)
        if self.last_channel != _LAST and 6 not in self.out_stages:
            fail("last_channel", "belongs to stage 6, which out_stages leaves out: remove it")


class InvertedResidual(nn.Module):
    """1 x 1 to more channels, depthwise 3 x 3, 1 x 1 to few without an activation.

    The input is added if the shape stays the same.

    Args:
        channels_in, channels_out: channels.
        stride: of the depthwise convolution.
        expansion: factor of the inner channels; 1: the first convolution is left out.
        act: name of the activation.
    """

    def __init__(
        self, channels_in: int, channels_out: int, stride: int, expansion: int, act: str
    ) -> None:
        super().__init__()
        width = channels_in * expansion
        self.adds = stride == 1 and channels_in == channels_out
        self.conv = nn.Sequential()
        if expansion > 1:
            self.conv.append(conv_norm_act(channels_in, width, 1, act))
        self.conv.append(conv_norm_act(width, width, 3, act, stride, groups=width))
        self.conv.extend(conv_norm(width, channels_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(StagedBackbone):
    """See `StagedBackbone` for the shapes.

    Args:
        width: factor of the channels.
        out_stages: stages whose maps are returned, of 0 to 6, see `STRIDES`.
        last: channels of the 1 x 1 convolution that ends stage 6.
        act: name of the activation.
    """

    def __init__(
        self,
        width: float = 1.0,
        out_stages: Sequence[int] = (1, 2, 4, 6),
        last: int = _LAST,
        act: str = "ReLU",
    ) -> None:
        super().__init__()
        channels = int(32 * width)
        self.first_layer = conv_norm_act(3, channels, 3, act, 2)
        stages = []
        for number, (expansion, base, blocks, first) in enumerate(STAGES):
            stage = nn.Sequential()
            for i in range(blocks):
                stride = first if i == 0 else 1
                stage.append(InvertedResidual(channels, int(base * width), stride, expansion, act))
                channels = int(base * width)
            if number == 6:
                stage.append(conv_norm_act(channels, last, 1, act))
                channels = last
            self.add_module(f"stage{number}", stage)
            stages.append(Stage(number, f"stage{number}", channels, STRIDES[number]))
        initialise(self)
        self.set_stages(("first_layer",), stages, out_stages)


def build(section: Section) -> MobileNetV2:
    """Build the backbone with random weights."""
    return MobileNetV2(
        section.width_mult, section.out_stages, section.last_channel,
        section.act or section.activation,
    )  # fmt: skip


def pretrained(section: Section) -> Pretrained | None:
    """Return where torchvision publishes its ImageNet weights, which exist for full width only."""
    if section.width_mult != 1 or section.last_channel != _LAST:
        return None
    url = "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth"
    return Pretrained(url, "b0353104", _rename)


def _rename(name: str) -> str:
    """Return our name of torchvision's ``features.N.``, whose N counts through all stages."""
    places = [f"stage{number}.{i}" for number, stage in enumerate(STAGES) for i in range(stage[2])]
    places = ["first_layer", *places, "stage6.1"]
    first, *rest = name.split(".", 2)
    return f"{places[int(rest[0])]}.{rest[1]}" if first == "features" else name


PART = Part(Section, build, pretrained)
