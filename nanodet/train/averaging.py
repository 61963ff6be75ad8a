"""The exponential moving average (EMA) of the weights of a network in training."""

import copy
import math

import torch
from torch import nn


def averaged_copy(network: nn.Module) -> nn.Module:
    """Return a copy of ``network`` in eval mode and without gradients."""
    return copy.deepcopy(network).eval().requires_grad_(False)


@torch.no_grad()
def update_average(
    average: nn.Module, network: nn.Module, step: int, decay: float, ramp_steps: float
) -> None:
    """Move ``average`` towards ``network``: ``a = d a + (1 - d) w`` with d rising to ``decay``.

    Args:
        average: the averaged copy; parameters and running statistics change in place.
        network: the network after its ``step``-th optimiser step, from 1.
        decay: d in the long run, 0..1; at step t it is ``decay (1 - exp(-t / ramp_steps))``, as early
            averages must forget the initial weights quickly.
        ramp_steps: above 0.
    """
    d = decay * (1 - math.exp(-step / ramp_steps))
    own, new = average.state_dict(), network.state_dict()
    floats = [name for name, tensor in own.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([own[name] for name in floats], [new[name] for name in floats], 1 - d)
    for name in own.keys() - set(floats):
        own[name].copy_(new[name])
