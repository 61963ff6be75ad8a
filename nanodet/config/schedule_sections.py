"""The sections of a config file below ``schedule``."""

from dataclasses import dataclass

from nanodet.config.keys import ABOVE_ZERO, MUCH, REQUIRED, Range, key


@dataclass
class LevelCfg:
    lr_mult: float = key(1.0, "factor of the learning rate", 0, MUCH)
    decay_mult: float = key(1.0, "factor of the weight decay", 0, MUCH)


@dataclass
class Optimizer:
    name: str = key(REQUIRED, "the optimiser", known=("SGD", "AdamW", "Adam"))
    lr: float = key(REQUIRED, "learning rate; scale it with the batch size", ABOVE_ZERO, MUCH)
    momentum: float | None = key(None, "for SGD; default 0", 0, 1)
    weight_decay: float | None = key(
        None, "pulls weights to zero; default: torch's for the optimiser (AdamW 0.01, otherwise 0)",
        0, MUCH,
    )  # fmt: skip
    nesterov: bool | None = key(None, "for SGD; needs a momentum")
    dampening: float | None = key(None, "for SGD; default 0", 0, 1)
    betas: Range | None = key(None, "for AdamW and Adam; default `[0.9, 0.999]`")
    eps: float | None = key(None, "for AdamW and Adam; default 1e-8", 0, 1)
    amsgrad: bool | None = key(None, "for AdamW and Adam; default false")
    no_norm_decay: bool = key(False, "no weight decay for batch norm")
    no_bias_decay: bool = key(False, "no weight decay for biases of convolutions")
    param_level_cfg: dict[str, LevelCfg] | None = key(
        None,
        "factors for parts of the network, by a part of the weights' names such as `backbone`",
    )


@dataclass
class Warmup:
    name: str = key(
        "linear", "how the learning rate rises; constant: only at the end",
        known=("linear", "constant", "exp"),
    )  # fmt: skip
    steps: int = key(300, "number of optimiser steps; 0: no warmup", 0, MUCH)
    ratio: float = key(0.1, "factor of the learning rate at the start", 0, 1)


@dataclass
class LrSchedule:
    name: str = key(
        "CosineAnnealingLR",
        "how the learning rate falls",
        known=("MultiStepLR", "CosineAnnealingLR"),
    )
    milestones: list[int] | None = key(
        None, "for MultiStepLR: epochs after which the learning rate falls", 1, MUCH
    )
    gamma: float | None = key(None, "for MultiStepLR: factor at each milestone; default 0.1", 0, 1)
    T_max: int | None = key(
        None, "for CosineAnnealingLR: epoch at which `eta_min` is reached; default: `total_epochs`",
        1, MUCH,
    )  # fmt: skip
    eta_min: float | None = key(
        None, "for CosineAnnealingLR: lowest learning rate; default 0", 0, MUCH
    )


@dataclass
class EarlyStopping:
    patience: int = key(10, "evaluations without improvement", 0, MUCH, ours=True)


@dataclass
class Schedule:
    resume: bool | str | None = key(
        None,
        "true or empty: resume the run in `save_dir`; or the path of a checkpoint in it to resume from",
    )
    load_model: str | None = key(
        None, "checkpoint to start from; weights that do not fit are newly initialised"
    )
    optimizer: Optimizer = key(REQUIRED, "how weights are updated")
    warmup: Warmup = key(Warmup, "the first steps")
    total_epochs: int = key(REQUIRED, "passes over the training set", 1, MUCH)
    lr_schedule: LrSchedule = key(LrSchedule, "the learning rate over the epochs")
    val_intervals: int = key(
        10, "epochs between evaluations; the last epoch is always evaluated", 1, MUCH
    )
    accumulate: int = key(1, "batches per optimiser step", 1, MUCH, ours=True)
    early_stopping: EarlyStopping | None = key(
        None, "stop when there is no improvement; off by default", ours=True
    )
    freeze_norm: bool = key(False, "batch norm keeps its statistics while training", ours=True)
