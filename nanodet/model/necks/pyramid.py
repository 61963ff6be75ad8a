"""Shared by the necks: the common keys of their sections, and resizing between levels."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor
from torch.nn import functional as F

from nanodet.config.keys import REQUIRED, key
from nanodet.errors import NanodetError


@dataclass
class NeckSection:
    """The keys of ``model.arch.fpn`` that every neck has."""

    name: str = key(REQUIRED, "the neck")
    in_channels: list[int] | None = key(
        None, "channels of the backbone's maps; by default taken from the backbone"
    )
    out_channels: int = key(96, "channels of the output maps", 1, 4096)


def check_doubling(name: str, strides: Sequence[int]) -> None:
    """Raise a `NanodetError` unless each map has half the sides of the one before."""
    if any(after != 2 * before for before, after in pairwise(strides)):
        raise NanodetError(
            f"{name} needs maps whose strides double, not {list(strides)}: change the backbone's "
            "out_stages"
        )


def resize(x: Tensor, factor: float, mode: str = "bilinear") -> Tensor:
    """Interpolate a map (B, C, H, W) to (B, C, factor H, factor W)."""
    # a factor, not a size, so that the exported graph takes other input sizes too
    align = None if mode == "nearest" else False
    return F.interpolate(x, scale_factor=factor, mode=mode, align_corners=align)
