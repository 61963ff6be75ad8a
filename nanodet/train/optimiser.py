"""Optimiser and learning rate, both from the config's ``schedule``."""

import bisect
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from nanodet.config.effects import KEYS_OF
from nanodet.config.schedule_sections import LrSchedule, Optimizer, Schedule, Warmup
from nanodet.errors import NanodetError

_NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)
_OPTIMISERS = {"SGD": torch.optim.SGD, "AdamW": torch.optim.AdamW, "Adam": torch.optim.Adam}


def build_optimiser(
    network: nn.Module,
    section: Optimizer,
    file: str = "config",
    further: Iterable[nn.Parameter] = (),
) -> torch.optim.Optimizer:
    """Build the optimiser over the parameters that learn.

    Args:
        network: ``param_level_cfg`` refers to its parameter names (a level is a part of the
            dotted name, such as ``backbone``).
        section: the config's ``schedule.optimizer``.
        file: names the config in messages.
        further: parameters that are no part of the network, a group of their own.

    Returns:
        the optimiser; each group has ``initial_lr``, from which `learning_rate_factor` scales.
    """
    build = _OPTIMISERS[section.name]
    options = {name: getattr(section, name) for name in KEYS_OF["schedule.optimizer"][section.name]}
    given = {name: value for name, value in options.items() if value is not None}
    groups = _groups(network, section, f"{file}: schedule.optimizer")
    if others := list(further):
        groups.append({"params": others, "weight_decay": section.weight_decay or 0.0})
    optimiser = build(groups, lr=section.lr, **given)
    for group in optimiser.param_groups:
        group["initial_lr"] = group["lr"]
    return optimiser


def _groups(network: nn.Module, section: Optimizer, key: str) -> list[dict[str, Any]]:
    norms = {
        f"{name}.{parameter}"
        for name, module in network.named_modules()
        if isinstance(module, _NORMS)
        for parameter in ("weight", "bias")
    }
    levels = section.param_level_cfg or {}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        lr, decay = section.lr, section.weight_decay or 0.0
        for level, multipliers in levels.items():
            if level in name.split("."):
                lr, decay = lr * multipliers.lr_mult, decay * multipliers.decay_mult
        is_norm = name in norms
        if (section.no_norm_decay and is_norm) or (
            section.no_bias_decay and name.endswith(".bias") and not is_norm
        ):
            decay = 0.0
        groups.setdefault((lr, decay), []).append(parameter)
    parts = {part for name, _ in network.named_parameters() for part in name.split(".")}
    for level in levels:
        if level not in parts:
            raise NanodetError(f"{key}.param_level_cfg.{level}: the network has no such part")
    return [
        {"params": parameters, "lr": lr, "weight_decay": decay}
        for (lr, decay), parameters in groups.items()
    ]


def learning_rate_factor(schedule: Schedule, step: int, epoch: int, initial_lr: float) -> float:
    """Return the factor of ``initial_lr``.

    Args:
        schedule: the config's ``schedule``.
        step: optimiser steps done, from 0.
        epoch: epochs done, from 0.
        initial_lr: the group's learning rate; cosine's ``eta_min`` is absolute.

    The warm-up rises from ``ratio`` to 1 over ``steps`` steps: linearly, exponentially, or (constant)
    stays at ``ratio``. After it MultiStepLR multiplies by ``gamma`` at every milestone and
    CosineAnnealingLR falls to ``eta_min`` at epoch ``T_max`` and stays there.
    """
    return _warmup(schedule.warmup, step) * _decay(schedule.lr_schedule, epoch, initial_lr)


def _warmup(section: Warmup, step: int) -> float:
    if section.steps <= 0 or step >= section.steps:
        return 1.0
    done = step / section.steps
    if section.name == "constant":
        return section.ratio
    if section.name == "exp":
        return section.ratio ** (1 - done)
    return 1 - (1 - done) * (1 - section.ratio)


def _decay(section: LrSchedule, epoch: int, initial_lr: float) -> float:
    if section.name == "MultiStepLR":
        gamma = 0.1 if section.gamma is None else section.gamma
        return gamma ** bisect.bisect_right(sorted(section.milestones or ()), epoch)
    floor = (section.eta_min or 0.0) / initial_lr if initial_lr else 0.0
    assert section.T_max, "filled in by nanodet.config.follow"
    cosine = (1 + math.cos(math.pi * min(epoch / section.T_max, 1.0))) / 2
    return floor + (1 - floor) * cosine
