"""Batch norms for convolutions that have theirs folded in.

In eval mode a batch norm computes (x - mean) / sqrt(var + eps) * weight + bias with its running
mean and variance; in training mode with those of the batch. With weight = sqrt(var + eps) and
bias = mean + b it gives x + b in eval mode whatever mean and variance are, so these are free to be
what they would have been: those of x over images. Then a batch in training mode finds nearly the
same function. With mean 0 and variance 1 it would find quite another one.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nanodet.compare.tensors import spread
from nanodet.images.image_file import read_picture
from nanodet.runtime.preprocess import network_input
from nanodet.runtime.spec import Spec
from nanodet.text.progress import Progress

LIMIT = 200  # images
BATCH = 8


def fold_in(norm: Any, bias: torch.Tensor) -> None:
    """Let a batch norm add ``bias`` and nothing else in eval mode: mean 0 and variance 1.

    Args:
        norm: an ``nn.BatchNorm2d`` of C channels, changed in place.
        bias: (C,) float32.
    """
    with torch.no_grad():
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0)
        norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
        norm.bias.copy_(bias)


def measure(network: Any, names: Sequence[str], tensors: Iterable[torch.Tensor]) -> None:
    """Give batch norms the statistics of what flows into them; in eval mode nothing changes.

    One pass is enough: in eval mode no map depends on the statistics.

    Args:
        network: in eval mode, its batch norms as `fold_in` leaves them; changed in place.
        names: the batch norms' names.
        tensors: iterable of float32 (B, 3, H, W), as the network takes them.
    """
    norms = {name: network.get_submodule(name) for name in names}
    sums = {
        name: torch.zeros(2, norm.num_features, dtype=torch.float64) for name, norm in norms.items()
    }
    counts = dict.fromkeys(names, 0)

    def keep(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        def hook(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            x = inputs[0]
            variance, mean = (
                found.double() for found in torch.var_mean(x, dim=(0, 2, 3), correction=0)
            )
            count = x.numel() // len(mean)
            sums[name] += count * torch.stack((mean, variance + mean.square()))
            counts[name] += count

        return hook

    hooks = [norm.register_forward_pre_hook(keep(name)) for name, norm in norms.items()]
    try:
        with torch.inference_mode():
            for tensor in tensors:
                network(tensor)
    finally:
        for hook in hooks:
            hook.remove()
    for name, norm in norms.items():
        if counts[name] == 0:
            continue  # of an auxiliary part, which only a training runs
        mean, square = sums[name] / counts[name]
        _set_statistics(norm, mean, (square - mean.square()).clamp(min=0))


def measure_on(
    network: Any, names: Sequence[str], paths: Sequence[Path], spec: Spec, limit: int = LIMIT
) -> int:
    """`measure` on images, fitted to one size as training will see them.

    Args:
        network, names: see `measure`.
        paths: of the images, at least one; of more than ``limit`` some, evenly spread, are taken.
        spec: the network's `nanodet.runtime.spec.Spec`.
        limit: at most so many images.

    Returns:
        how many images were measured.

    Raises:
        NanodetError: an image cannot be read.
    """
    paths = spread(paths, limit)
    measure(network, names, _batches(paths, with_fixed_fit(spec)))
    return len(paths)


def with_fixed_fit(spec: Spec) -> Spec:
    """Return the spec with a fit that gives all images one size."""
    return dataclasses.replace(spec, fit="stretch" if spec.fit == "stretch" else "letterbox")


def _batches(paths: Sequence[Path], spec: Spec) -> Iterator[torch.Tensor]:
    """Yield the images as float32 (B, 3, H, W), B up to `BATCH`."""
    progress = Progress(len(paths), "image")
    for start in range(0, len(paths), BATCH):
        tensors = []
        for path in paths[start : start + BATCH]:
            picture = read_picture(path)
            fitted = network_input(picture, spec)
            tensors.append(fitted[0])
            progress.step()
        yield torch.from_numpy(np.concatenate(tensors))
    progress.close()


def _set_statistics(norm: Any, mean: torch.Tensor, variance: torch.Tensor) -> None:
    with torch.no_grad():
        bias = norm.bias - norm.running_mean
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        # a channel that never changes has variance 0 and gets the small weight sqrt(eps): a batch
        # in which it does change is then not blown up
        norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
        norm.bias.copy_(bias + norm.running_mean)
