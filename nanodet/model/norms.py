"""The normalisations that can follow a convolution."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from nanodet.config.keys import ABOVE_ZERO, REQUIRED, key
from nanodet.model.part import Fail

_MOMENTUM, _GROUPS = 0.1, 32


@dataclass
class Norm:
    """A config's ``norm_cfg``."""

    type: str = key(REQUIRED, "the normalisation: batch or group norm", known=("BN", "GN"))
    eps: float = key(1e-5, "added to the variance", ABOVE_ZERO, 1)
    momentum: float = key(_MOMENTUM, "BN: of the running mean and variance", 0, 1)
    num_groups: int | None = key(
        None, "GN: groups of channels; 32 by default (required in the original)", 1, 4096
    )
    requires_grad: bool = key(True, "whether its weights and biases are trained")

    @property
    def groups(self) -> int:
        """Groups of channels of GN."""
        return self.num_groups or _GROUPS


def check_norm(section: Norm | None, fail: Fail, *channels: int) -> None:
    """Call ``fail`` for a ``norm_cfg`` that cannot work on maps of ``channels``."""
    if section is None:
        return
    if section.type == "BN":
        if section.num_groups is not None:
            fail("norm_cfg.num_groups", "BN has no such setting (GN has it); remove it")
        return
    if section.momentum != _MOMENTUM:
        fail("norm_cfg.momentum", "GN has no such setting (BN has it); remove it")
    for count in channels:
        if count % section.groups:
            fail("norm_cfg.num_groups", f"{section.groups} groups do not divide {count} channels")


def normalisation(channels: int, section: Any) -> nn.Module:
    """Return a new layer (B, channels, H, W) to the same shape, as a `Norm` says; None: nothing."""
    if section is None:
        return nn.Identity()
    if section.type == "BN":
        norm: nn.Module = nn.BatchNorm2d(channels, section.eps, section.momentum)
    else:
        norm = nn.GroupNorm(section.groups, channels, section.eps)
    return norm.requires_grad_(section.requires_grad)
