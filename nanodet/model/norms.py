"""The normalisations that a config can put behind a convolution."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from nanodet.config.keys import ABOVE_ZERO, REQUIRED, key
from nanodet.errors import NanodetError

_MOMENTUM, _GROUPS = 0.1, 32


@dataclass
class Norm:
    """A config's ``norm_cfg``."""

    type: str = key(REQUIRED, "the normalisation: batch or group norm", known=("BN", "GN"))
    eps: float = key(1e-5, "added to the variance", ABOVE_ZERO, 1)
    momentum: float = key(_MOMENTUM, "BN: of the running mean and variance", 0, 1)
    num_groups: int | None = key(
        None, "GN: groups of channels; 32 where left out (the original needs it)", 1, 4096
    )
    requires_grad: bool = key(True, "whether its weights and biases learn")

    def check(self, fail):
        if self.type == "BN" and self.num_groups is not None:
            fail("num_groups", "BN has no such setting (GN has it): remove it")
        if self.type == "GN" and self.momentum != _MOMENTUM:
            fail("momentum", "GN has no such setting (BN has it): remove it")


def normalisation(channels: int, section: Any) -> nn.Module:
    """Return a new layer (B, channels, H, W) to the same shape, as a `Norm` says; None: nothing.

    Raises:
        NanodetError: the groups do not divide the channels.
    """
    if section is None:
        return nn.Identity()
    if section.type == "BN":
        norm = nn.BatchNorm2d(channels, section.eps, section.momentum)
    else:
        groups = section.num_groups or _GROUPS
        if channels % groups:
            raise NanodetError(
                f"norm_cfg: {channels} channels are not {groups} groups of equal size: change num_groups"
            )
        norm = nn.GroupNorm(groups, channels, section.eps)
    return norm.requires_grad_(section.requires_grad)
