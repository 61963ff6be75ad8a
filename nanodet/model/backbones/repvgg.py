"""RepVGG (Ding et al., CVPR 2021): three branches in training, one convolution in an exported model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nanodet.config.keys import REQUIRED
from nanodet.model.backbones import keys
from nanodet.model.backbones.layers import initialise
from nanodet.model.backbones.stages import Stage, StagedBackbone
from nanodet.model.blocks import activation, conv_norm
from nanodet.model.part import Fail, Part

STRIDES = {1: 4, 2: 8, 3: 16, 4: 32}
_CHANNELS = (64, 128, 256, 512)
_A, _B = (2, 4, 14, 1), (4, 6, 16, 1)
_WIDE = {1: (2, 2, 2, 4), 2: (2.5, 2.5, 2.5, 5), 3: (3, 3, 3, 5)}
# blocks and factor of the channels of each stage, and groups of every second block (Tables 2 and 3)
ARCHS = {
    "A0": (_A, (0.75, 0.75, 0.75, 2.5), 1),
    "A1": (_A, (1, 1, 1, 2.5), 1),
    "A2": (_A, (1.5, 1.5, 1.5, 2.75), 1),
    "B0": (_B, (1, 1, 1, 2.5), 1),
    **{
        f"B{size}{suffix}": (_B, factors, groups)
        for size, factors in _WIDE.items()
        for suffix, groups in (("", 1), ("g2", 2), ("g4", 4))
    },
}


@dataclass
class Section:
    name: str = keys.key("RepVGG", "the backbone", known=("RepVGG",))
    arch: str = keys.size(REQUIRED, "depth, width and groups, as in the paper", known=ARCHS)
    out_stages: list[int] = keys.out_stages([1, 2, 3, 4], STRIDES)
    activation: str = keys.activation("ReLU")
    last_channel: int | None = keys.key(
        None, "channels of stage 4; default: those of the paper", 1, 65536,
        alike=("with_last_conv",),
    )  # fmt: skip
    deploy: bool = keys.key(
        False,
        "build the form of exported models, whose branches are folded into one convolution: for "
        "checkpoints that contain it; an export folds automatically",
    )

    def check(self, fail: Fail) -> None:
        keys.check_out_stages(self.out_stages, STRIDES, fail)
        if self.last_channel is not None and 4 not in self.out_stages:
            fail("last_channel", "belongs to stage 4, which out_stages leaves out: remove it")


class RepVGGBlock(nn.Module):
    """y = act(BN(W3 * x) + BN(W1 * x) + BN(x)), the last if the shape stays the same (section 3.2).

    Shapes: (B, channels_in, H, W) to (B, channels_out, ceil(H / stride), ceil(W / stride)).

    Args:
        groups: of the convolutions.
        deploy: y = act(W * x + b) instead, with W and b as `deployed` computes them.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int,
        groups: int,
        act: str,
        deploy: bool = False,
    ) -> None:
        super().__init__()
        self.act = activation(act)
        self._shape = channels_in, channels_out, stride, groups
        if deploy:
            self.rbr_reparam = nn.Conv2d(
                channels_in, channels_out, 3, stride, padding=1, groups=groups
            )
            return
        stays = channels_in == channels_out and stride == 1
        self.rbr_identity = nn.BatchNorm2d(channels_in) if stays else None
        self.rbr_dense = nn.Sequential(*conv_norm(channels_in, channels_out, 3, stride, groups))
        self.rbr_1x1 = nn.Sequential(*conv_norm(channels_in, channels_out, 1, stride, groups))

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "rbr_reparam"):
            return self.act(self.rbr_reparam(x))
        y = self.rbr_dense(x) + self.rbr_1x1(x)
        return self.act(y if self.rbr_identity is None else y + self.rbr_identity(x))

    def deployed(self) -> "RepVGGBlock":
        """Return the block as one convolution: that of eval mode, with the batch norms' statistics.

        All branches are 3 x 3 convolutions, whose kernels and biases add up: the 1 x 1 has zeros
        around it, the identity is a 1 x 1 with ones on the diagonal (section 3.3, equations 3, 4).
        """
        if hasattr(self, "rbr_reparam"):
            return self
        # in double precision: the branches may cancel each other
        kernel, bias = _folded(self.rbr_dense[0].weight, self.rbr_dense[1])
        point, shift = _folded(self.rbr_1x1[0].weight, self.rbr_1x1[1])
        if self.rbr_identity is not None:
            ones = torch.zeros_like(point)
            rows = torch.arange(len(ones))
            ones[rows, rows % ones.shape[1]] = 1
            same, same_shift = _folded(ones, self.rbr_identity)
            point, shift = point + same, shift + same_shift
        kernel[:, :, 1:2, 1:2] += point
        with kernel.device:
            block = RepVGGBlock(*self._shape, "ReLU", deploy=True)
        block.rbr_reparam.load_state_dict({"weight": kernel, "bias": bias + shift})
        block.act = self.act  # which may have weights
        return block.train(self.training)


@torch.no_grad()
def _folded(weight: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """Return kernel and bias, float64, of a convolution that a batch norm follows."""
    mean, bias = norm.running_mean.double(), norm.bias.double()
    factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return weight.double() * factor[:, None, None, None], bias - mean * factor


class RepVGG(StagedBackbone):
    """See `StagedBackbone` for the shapes.

    Args:
        arch: a name of `ARCHS`.
        out_stages: stages whose maps are returned, of 1 to 4 (strides 4 to 32).
        act: name of the activation.
        last: channels of stage 4, None for those of the paper.
        deploy: build the form with folded branches.
    """

    def __init__(
        self,
        arch: str,
        out_stages: Sequence[int] = (1, 2, 3, 4),
        act: str = "ReLU",
        last: int | None = None,
        deploy: bool = False,
    ) -> None:
        super().__init__()
        counts, factors, groups = ARCHS[arch]
        widths = [int(c * factor) for c, factor in zip(_CHANNELS, factors, strict=True)]
        widths[-1] = last or widths[-1]
        channels, index = min(64, widths[0]), 0
        self.stage0 = RepVGGBlock(3, channels, 2, 1, act, deploy)
        stages = []
        for number, (blocks, width) in enumerate(zip(counts, widths, strict=True), 1):
            stage = nn.Sequential()
            for i in range(blocks):
                index += 1
                own = groups if index % 2 == 0 else 1
                stage.append(RepVGGBlock(channels, width, 1 if i else 2, own, act, deploy))
                channels = width
            self.add_module(f"stage{number}", stage)
            stages.append(Stage(number, f"stage{number}", channels, STRIDES[number]))
        initialise(self)
        self.set_stages(("stage0",), stages, out_stages)


def build(section: Section) -> RepVGG:
    """Build the backbone with random weights."""
    return RepVGG(
        section.arch, section.out_stages, section.activation, section.last_channel, section.deploy
    )


PART = Part(Section, build)
