"""What a training and its profile have in common: the module, and Lightning's trainer."""

import logging
import warnings
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from nanodet.config.schema import Config
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.model.network import build_network
from nanodet.text import Say
from nanodet.train.initial_weights import initial_weights
from nanodet.train.module import TrainingModule
from nanodet.train.optimiser import build_optimiser
from nanodet.train.precision import choose_precision
from nanodet.train.teacher import build_distiller


def training_module(
    config: Config,
    sets: tuple[Annotations, Annotations],
    devices: dict[str, Any],
    resumed: bool,
    file: str,
    say: Say,
    precision: str | None = None,
) -> TrainingModule:
    """Build the network with the weights that it starts from, and its training.

    Args:
        config: a `Config`.
        sets: the `Annotations` to train on and those to validate on.
        devices: see `nanodet.train.device.trainer_devices`; its ``precision`` is chosen if it is auto.
        resumed: whether a checkpoint replaces all weights.
        file: names the config in messages.
        say: gets lines for the user.
        precision: of the run that is resumed, None if it is not known.
    """
    torch.manual_seed(config.seed or 0)
    network = build_network(config.model.arch, file)
    if not resumed:
        initial_weights(network, config, file, sets[0], say)
    build_optimiser(network, config.schedule.optimizer, file)  # raises before files are touched
    devices["precision"] = choose_precision(config, network, devices, say, precision)
    distiller = build_distiller(network, config, file, say)
    module = TrainingModule(config, network, sets[1], file, distiller)
    if devices["accelerator"] in ("cpu", "cuda"):
        module = module.to(memory_format=torch.channels_last)
    return module


def lightning_trainer(config: Config, file: str, **settings: Any) -> pl.Trainer:
    """Return Lightning's trainer for a config, with further ``settings``.

    Raises:
        NanodetError: a strategy does not work with this device, or its package is not installed.
    """
    _quieten()
    try:
        return pl.Trainer(
            accumulate_grad_batches=config.schedule.accumulate,
            gradient_clip_val=config.grad_clip,
            benchmark=config.cudnn_benchmark,
            enable_checkpointing=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **settings,
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise NanodetError(f"{file}: device: {' '.join(str(error).split())}") from None


def _quieten() -> None:
    """Hide Lightning's advice that does not apply here."""
    for name in ("lightning.pytorch", "pytorch_lightning", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning")
