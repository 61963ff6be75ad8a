"""Weights that follow from the names of a state_dict, as those of the references in ../shared."""

import zlib

import numpy as np
import torch


def fill(network):
    """Fill a network in place and return it in eval mode; the rule is in shared/reference/zoo."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point() and not name.endswith("distribution_project.project"):
                tensor.copy_(torch.as_tensor(_values(name, tuple(tensor.shape))))
    return network.eval()


def noise(size):
    """Return the references' input float32 (1, 3, H, W) of ``size`` (width, height)."""
    width, height = size
    values = np.random.default_rng(7).standard_normal((1, 3, height, width))
    return torch.from_numpy(values.astype(np.float32))


def _values(name, shape):
    values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_var"):
        return np.exp(0.2 * values)
    if len(shape) >= 2:
        return values / np.sqrt(np.prod(shape[1:]))
    if name.endswith(("weight", "scale")):
        return 1 + 0.1 * values
    return 0.1 * values
