"""The weights that a training starts from."""

from typing import Any

import torch
from torch import nn

from nanodet.config.schema import Config
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.export.batch_norm import measure_on
from nanodet.export.trainable import trainable
from nanodet.model.checkpoint import KEY, Checkpoint
from nanodet.model.fine_tune import take_matching
from nanodet.model.pretrained import load_pretrained
from nanodet.model.torch_backend import spec_of
from nanodet.text import Say


def initial_weights(
    network: Any, config: Config, file: str, training_set: Annotations, say: Say
) -> None:
    """Fill a network from ``schedule.load_model``, or its backbone with ImageNet weights.

    Args:
        network: a detector, changed in place.
        config: a `Config`.
        file: names the config in messages.
        training_set: the `Annotations` to train on; an imported model's batch norms are measured on
            its images.
        say: gets lines for the user.

    Raises:
        NanodetError: there is no such checkpoint, or nothing in it fits.
    """
    load = config.schedule.load_model
    if load is None:
        say(load_pretrained(network.backbone, config.model.arch.backbone, file))
        return
    try:
        with torch.random.fork_rng(devices=[]):  # an import runs once, then comes from the cache
            checkpoint = trainable(load, config, file, say)
    except NanodetError as error:
        raise NanodetError(f"{file}: schedule.load_model: {error}") from None
    for line in take_matching(network, checkpoint, config.class_names):
        say(line)
    measured = checkpoint.raw.get(KEY, {}).get("norms_measured")
    if measured is False:
        paths = [picture.path for picture in training_set.pictures]
        names = _norms_of(network, checkpoint)
        count = measure_on(network.eval(), names, paths, spec_of(network, config))
        network.train()  # Lightning trains a network in the mode in which it gets it
        say(f"batch norm: measured on {count} training images (ncnn files contain no statistics)")
    if measured is not None:
        network.start_auxiliary()


def _norms_of(network: nn.Module, checkpoint: Checkpoint) -> list[str]:
    """Return the names of the network's batch norms that a checkpoint has weights for."""
    given = checkpoint.weights
    return [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        and getattr(given.get(f"{name}.weight"), "shape", None) == module.weight.shape
    ]
