"""The transformer neck of NanoDet-t."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.fx
from torch import Tensor, nn
from torch.nn import functional as F

from nanodet.config.keys import key
from nanodet.errors import NanodetError
from nanodet.model.blocks import ACTIVATIONS, ConvNorm, activation, convolutions
from nanodet.model.necks.pyramid import NeckSection, check_doubling, resize
from nanodet.model.norms import Norm
from nanodet.model.part import Fail, Part


@dataclass
class TanSection(NeckSection):
    name: str = key("TAN", "a transformer on the middle of three maps", known=("TAN",))
    out_channels: int = key(128, "channels of the output maps", 1, 4096)
    feature_hw: list[int] = key(
        lambda: [20, 20],
        "height and width of the middle map, even: the network only takes images of this times the "
        "map's stride; [20, 20] is 320 x 320",
        1, 1024,
    )  # fmt: skip
    num_heads: int = key(8, "attention heads", 1, 1024)
    num_encoders: int = key(1, "transformer encoder layers", 1, 64)
    mlp_ratio: float = key(4.0, "hidden values of the layers' perceptrons per channel", 0.01, 64)
    dropout_ratio: float = key(0.1, "fraction of the values dropped in training", 0, 0.99)
    activation: str = key(
        "LeakyReLU", "after convolutions and perceptrons", known=tuple(ACTIVATIONS)
    )

    def check(self, fail: Fail) -> None:
        if len(self.feature_hw) != 2:
            fail("feature_hw", f"must be [height, width], not {self.feature_hw}")
        if any(side % 2 for side in self.feature_hw):
            fail(
                "feature_hw",
                f"must be even, not {self.feature_hw}: the coarsest map is half as large",
            )
        if self.out_channels % self.num_heads:
            fail("num_heads", f"{self.num_heads} do not divide out_channels, {self.out_channels}")
        if self.out_channels * self.mlp_ratio < 1:
            fail(
                "mlp_ratio",
                f"{self.mlp_ratio:g}: gives no hidden value for {self.out_channels} channels",
            )

    def input_size(self, strides: Sequence[int]) -> tuple[int, int]:
        """Return the (width, height) of the only images the network takes."""
        height, width = self.feature_hw
        return width * strides[1], height * strides[1]


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017): (B, N, C) to the same shape.

    Its parameters have the names of torch's `nn.MultiheadAttention`.
    """

    def __init__(self, channels: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.scale = heads, (channels // heads) ** -0.5
        self.in_proj_weight = nn.Parameter(torch.empty(3 * channels, channels))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * channels))
        self.out_proj = nn.Linear(channels, channels)
        self.drop = nn.Dropout(dropout)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x: Tensor) -> Tensor:
        projected = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        query, keys, values = projected.chunk(3, dim=2)
        query, keys, values = self._split(query), self._split(keys), self._split(values)
        weights = (query * self.scale @ keys.transpose(2, 3)).softmax(dim=-1)
        return self.out_proj((self.drop(weights) @ values).transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        """Return (B, N, C) as (B, heads, N, C / heads)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class Perceptron(nn.Module):
    """Two linear layers on the last axis, with ``hidden`` values between."""

    def __init__(self, channels: int, hidden: int, dropout: float, act: str):
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.act = activation(act)
        self.fc2 = nn.Linear(hidden, channels)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


class Encoder(nn.Module):
    """A transformer encoder layer, norms first: (B, N, C) to the same shape."""

    def __init__(self, channels: int, heads: int, ratio: float, dropout: float, act: str):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = Attention(channels, heads, dropout)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Perceptron(channels, int(channels * ratio), dropout, act)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    """A map (B, C_in, H, W), reduced to C_out channels, through encoders over its points."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        heads: int,
        encoders: int,
        ratio: float,
        dropout: float,
        act: str,
    ):
        super().__init__()
        self.conv = ConvNorm(channels_in, channels_out, 1, None, "ReLU")
        # checkpoints contain this layer, which the original never calls
        self.linear = nn.Linear(channels_out, channels_out).requires_grad_(False)
        self.encoders = nn.Sequential(
            *(Encoder(channels_out, heads, ratio, dropout, act) for _ in range(encoders))
        )

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """Return the map (B, C_out, H, W); ``position`` (H W, 1, C_out) is added before the encoders."""
        x = self.conv(x)
        points = x.flatten(2).transpose(1, 2) + position.transpose(0, 1)
        return self.encoders(points).transpose(1, 2).reshape(x.shape)


def _check_size(x: Tensor, feature_hw: tuple[int, int], input_size: tuple[int, int]) -> None:
    """Refuse images whose middle map differs in size from the learned positions."""
    if tuple(x.shape[2:]) != feature_hw:
        width, height = input_size
        raise NanodetError(
            f"TAN takes images of {width} x {height} pixels only, because feature_hw is {list(feature_hw)}"
        )


torch.fx.wrap("_check_size")  # a traced graph must contain the check as it is


class TAN(nn.Module):
    """Resizes three maps to the middle one's size, passes them through a transformer, and resizes them back.

    Args:
        in_channels, strides: of the three maps; each stride is twice the one before.
        out_channels: channels of every output map.
        feature_hw: height and width of the middle map.
        heads, encoders: attention heads (they divide the channels), encoder layers.
        ratio, dropout: hidden values per channel of the perceptrons; fraction dropped in training.
        act: after convolutions and perceptrons.

    Attributes:
        input_size: (width, height) of the only images it takes.

    Shapes: maps (B, in_channels[i], H / 2^i, W / 2^i) to (B, out_channels, H / 2^i, W / 2^i).
    """

    unused_layers = ("transformer.linear",)

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        out_channels: int,
        feature_hw: Sequence[int],
        heads: int,
        encoders: int,
        ratio: float,
        dropout: float,
        act: str,
    ):
        super().__init__()
        if len(in_channels) != 3:
            raise NanodetError(f"TAN joins three maps, and the backbone gives {len(in_channels)}")
        check_doubling("TAN", strides)
        self.channels, self.strides = out_channels, tuple(strides)
        height, width = feature_hw
        self.feature_hw = (height, width)
        self.input_size = (width * strides[1], height * strides[1])
        self.lateral_convs = nn.ModuleList(
            ConvNorm(channels, out_channels, 1, Norm(type="BN"), act) for channels in in_channels
        )
        self.transformer = Transformer(
            3 * out_channels, out_channels, heads, encoders, ratio, dropout, act
        )
        self.pos_embed = nn.Parameter(torch.zeros(height * width, 1, out_channels))

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        fine, middle, coarse = (
            lateral(x) for lateral, x in zip(self.lateral_convs, maps, strict=True)
        )
        _check_size(middle, self.feature_hw, self.input_size)
        joined = torch.cat((resize(fine, 0.5), middle, resize(coarse, 2.0)), dim=1)
        joined = self.transformer(joined, self.pos_embed)
        return fine + resize(joined, 2.0), middle + joined, coarse + resize(joined, 0.5)


def build(section: TanSection, channels: Sequence[int], strides: Sequence[int]) -> TAN:
    neck = TAN(
        in_channels=channels,
        strides=strides,
        out_channels=section.out_channels,
        feature_hw=section.feature_hw,
        heads=section.num_heads,
        encoders=section.num_encoders,
        ratio=section.mlp_ratio,
        dropout=section.dropout_ratio,
        act=section.activation,
    )
    nn.init.trunc_normal_(neck.pos_embed, std=0.02)
    for module in neck.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    for conv in convolutions([neck]):
        nn.init.normal_(conv.weight, std=0.01)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
    return neck


PART = Part(TanSection, build)
