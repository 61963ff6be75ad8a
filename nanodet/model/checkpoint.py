"""Reading checkpoints of this version, of the original NanoDet, and plain weight files."""

import re
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from nanodet import __version__
from nanodet.config import Config, config_of_checkpoint, config_to_dict, load_config
from nanodet.config.follow import take_classes
from nanodet.config.stored import FORMAT
from nanodet.errors import NanodetError
from nanodet.model.class_rows import check_class_order
from nanodet.model.load_plain import load_plain
from nanodet.model.network import build_network, output_layers

KEY = "nanodet"  # key of the config in our checkpoints


@dataclass
class Checkpoint:
    """The contents of a checkpoint file, with names as in the network that its config describes.

    Attributes:
        path: the file.
        weights: name to tensor, on the CPU; averaged weights if the file has any.
        averaged: whether ``weights`` are averaged ones (EMA).
        config: the config it contains, ``None`` in an original checkpoint.
        epoch: number of finished epochs; ``None`` if the file does not state it.
        raw: everything in the file.
    """

    path: str
    weights: dict
    averaged: bool = False
    config: Config | None = None
    epoch: int | None = None
    raw: dict = field(default_factory=dict, repr=False)

    @property
    def class_names(self) -> list[str] | None:
        """The names of its classes, None if it contains none."""
        return None if self.config is None else self.config.class_names


def carried(config: Config, **more: Any) -> dict[str, Any]:
    """Return the value of `KEY` in our checkpoints: the config, and ``more``."""
    return {
        "version": __version__,
        "config": config_to_dict(config),
        "config_format": FORMAT,
        **more,
    }


def read_checkpoint(path: str | PathLike[str]) -> Checkpoint:
    """Read a ``.ckpt`` or ``.pth`` without running code from it.

    Raises:
        NanodetError: the file is missing, not a checkpoint, or would run code.
    """
    raw = load_plain(path)
    if not isinstance(raw, dict):
        raise NanodetError(f"{path}: not a NanoDet checkpoint: it contains a {type(raw).__name__}")
    state = raw.get("state_dict", raw)
    if not isinstance(state, dict):
        raise NanodetError(f"{path}: state_dict: must be a mapping of names to tensors")
    weights, averaged = _network_weights(state)
    if not any(name.startswith(("backbone.", "head.")) for name in weights):
        raise NanodetError(f"{path}: not a NanoDet checkpoint: it has no backbone and head")
    config = None
    if isinstance(raw.get(KEY), dict) and "config" in raw[KEY]:
        config = config_of_checkpoint(
            raw[KEY]["config"], raw[KEY].get("config_format"), f"{path} (its own config)"
        )
    epochs = raw[KEY].get("epochs") if config is not None else _epochs_of_original(raw)
    return Checkpoint(
        str(path), weights, averaged, config, epochs if type(epochs) is int else None, raw
    )


def _epochs_of_original(raw):
    """Return the number of finished epochs of an original checkpoint, None if it does not state it.

    The trainer of 0.x and Lightning before 1.6 write the number of finished epochs, later versions the
    index of the last one. Files converted from plain weights have 0.
    """
    epoch, version = raw.get("epoch"), str(raw.get("pytorch-lightning_version", "0"))
    if type(epoch) is not int:
        return None
    major, minor = (int(part) for part in (*re.findall(r"\d{1,4}", version), "0", "0")[:2])
    return (epoch + ((major, minor) >= (1, 6))) or None


def load_network(
    path: str | Path, config: Config | str | Path | None = None
) -> tuple[Any, Config, Checkpoint]:
    """Build the network of a checkpoint and load its weights strictly.

    Args:
        path: checkpoint file.
        config: path of a config file, or a `Config`; ``None``: the checkpoint's.

    Returns:
        the network in eval mode, its `Config`, and the `Checkpoint`.

    Raises:
        NanodetError: no config, or weights that do not fit it.
    """
    checkpoint = read_checkpoint(path)
    file = f"{path} (its own config)"
    if config is None:
        config = checkpoint.config
        if config is None:
            raise NanodetError(
                f"{path}: contains no config (an original checkpoint); give --config, "
                "such as config/nanodet-m.yml for NanoDet-m on COCO"
            )
    else:
        file = "config"
        if not isinstance(config, Config):
            file, config = str(config), load_config(config)
            take_classes(config, checkpoint.class_names)
        check_class_order(config.class_names, checkpoint.class_names, file, path)
    network = build_network(config.model.arch, file)
    fill(network, checkpoint, file)
    return network.eval(), config, checkpoint


def fill(network: Any, checkpoint: Checkpoint, file: str) -> None:
    """Load the checkpoint's weights strictly, or raise a `NanodetError` that names what does not fit."""
    own = network.state_dict()
    missing = [name for name in own if name not in checkpoint.weights]
    unknown = [name for name in checkpoint.weights if name not in own]
    reshaped = [
        name for name, tensor in checkpoint.weights.items()
        if name in own and own[name].shape != tensor.shape
    ]  # fmt: skip
    # num_batches_tracked only counts training steps, and very old files lack it
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    _check_class_count(network, checkpoint, reshaped, file)
    if missing or unknown or reshaped:
        name = (missing or unknown or reshaped)[0]
        what = "is missing" if missing else "is unknown" if unknown else "has a different shape"
        count = len(missing) + len(unknown) + len(reshaped)
        raise NanodetError(
            f"{checkpoint.path}: does not fit the model of {file}: {name} {what} "
            f"({count} such weights)"
        )
    network.load_state_dict(checkpoint.weights, strict=False)


def _check_class_count(network, checkpoint, reshaped, file):
    """Raise a `NanodetError` if the shape of an output layer shows a different number of classes."""
    classes, edges = network.head.num_classes, network.head.code.channels
    for layer, rows in output_layers(network).items():
        name = f"{layer}.weight"
        if "classes" not in rows or name not in reshaped:
            continue
        given = len(checkpoint.weights[name]) - edges * ("edges" in rows)
        if given != classes:
            raise NanodetError(
                f"{checkpoint.path}: has {given} classes, but model.arch.head.num_classes of {file} is "
                f"{classes}"
            )


def _network_weights(state):
    """Strip the prefixes of Lightning, DataParallel and EMA; prefer averaged weights.

    What only distillation needs is left out.
    """
    tensors = {
        str(name).removeprefix("module."): value
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }
    averaged = {
        name.removeprefix("avg_model."): value
        for name, value in tensors.items()
        if name.startswith("avg_model.")
    }
    plain = {
        name.removeprefix("model.").removeprefix("module."): value
        for name, value in tensors.items()
        if not name.startswith(("avg_model.", "distiller."))
    }
    # an average contains parameters and may lack buffers
    return plain | averaged, bool(averaged)
