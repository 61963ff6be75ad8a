"""What a training starts from."""

from pathlib import Path

from nanodet.errors import NanodetError
from nanodet.model.checkpoint import read_checkpoint, take_matching
from nanodet.model.pretrained import load_pretrained


def initial_weights(network, config, file, say):
    """Fill a network from ``schedule.load_model``, or its backbone from ImageNet's weights.

    Raises:
        NanodetError: there is no such checkpoint, or nothing of it fits.
    """
    load = config.schedule.load_model
    if load is None:
        say(load_pretrained(network.backbone, config.model.arch.backbone, file))
        return
    if not Path(load).is_file():
        raise NanodetError(f"{file}: schedule.load_model: {load}: there is no such checkpoint")
    for line in take_matching(network, read_checkpoint(load)):
        say(line)
