"""Settings of a file that would have no effect: refused, or reported in a line."""

from collections.abc import Iterator
from typing import Any

from nanodet.config.data_sections import OFF_AT_THE_END
from nanodet.config.keys import Fail, default_of, meaning, sections

# keys that only some of the names of a section have
KEYS_OF: dict[str, dict[str, tuple[str, ...]]] = {
    "schedule.optimizer": {
        "SGD": ("momentum", "nesterov", "dampening"),
        "AdamW": ("betas", "eps", "amsgrad"),
        "Adam": ("betas", "eps", "amsgrad"),
    },
    "schedule.lr_schedule": {
        "MultiStepLR": ("milestones", "gamma"),
        "CosineAnnealingLR": ("T_max", "eta_min"),
    },
    **{
        f"data.{part}": {"YoloDataset": ("yolo_labels",), "OdgtDataset": ("box",)}
        for part in ("train", "val")
    },
}
# values of augmentation keys that change nothing; the original's files have them under data.val
_IDENTITY = {
    "scale": [1, 1], "stretch": [[1, 1], [1, 1]], "contrast": [1, 1], "saturation": [1, 1],
}  # fmt: skip
_DECAY = (".no_norm_decay", ".no_bias_decay", ".decay_mult")


def refuse_without_effect(config: Any, fail: Fail) -> None:
    """Call ``fail`` for the first setting that is never read, or that another one overrides.

    Args:
        config: a checked `Config`, as read from a file.
        fail: called with key and reason.
    """
    values = {key: value for key, _, value in sections(config)}
    for key, entry, value in sections(config):
        section, _, name = key.rpartition(".")
        if meaning(entry).unread and value not in (None, {}):
            owner = values.get(f"{section}.name")
            fail(key, f"{f'{owner} has no such setting' if owner else 'it is not used'}: remove it")
        variants = KEYS_OF.get(section, {})
        own = variants.get(str(values.get(f"{section}.name")), ())
        if (
            name not in own
            and any(name in keys for keys in variants.values())
            and value not in (None, default_of(entry))
        ):
            others = ", ".join(variant for variant, keys in variants.items() if name in keys)
            fail(
                key, f"{values[f'{section}.name']} has no such setting: remove it ({others} has it)"
            )
    decay = config.schedule.lr_schedule
    if decay.name == "MultiStepLR" and not decay.milestones:
        fail("schedule.lr_schedule.milestones", "MultiStepLR needs this key, such as [60, 80]")
    if decay.eta_min and decay.eta_min > config.schedule.optimizer.lr:
        why = "is above schedule.optimizer.lr: the learning rate would rise"
        fail("schedule.lr_schedule.eta_min", why)
    optimizer, arch = config.schedule.optimizer, config.model.arch
    if optimizer.dampening and not optimizer.momentum:
        fail("schedule.optimizer.dampening", "has no effect without a momentum: remove it")
    for key, _, section in sections(arch, "model.arch."):
        if hasattr(section, "refuse_without_effect"):
            section.refuse_without_effect(_below(key, fail))
    for part in ("train", "val"):
        _check_fit(getattr(config.data, part), f"data.{part}", fail)
    _check_validation(config.data, fail)
    pretrain = getattr(arch.backbone, "pretrain", None)
    if isinstance(pretrain, str) and config.schedule.load_model:
        name = getattr(arch.backbone, "pretrain_key", "pretrain")
        why = "schedule.load_model replaces the backbone's weights: remove one of the two"
        fail(f"model.arch.backbone.{name}", why)


def _below(section, fail):
    return lambda key, why: fail(f"{section}.{key}", why)


def _check_fit(dataset, key, fail):
    keeps = dataset.fit != "stretch"
    if dataset.fit and dataset.keep_ratio is not None and dataset.keep_ratio != keeps:
        says = "keeps the aspect ratio" if keeps else "does not keep the aspect ratio"
        fail(f"{key}.keep_ratio", f"fit {dataset.fit} {says}: remove one of the two")


def _check_validation(data, fail):
    if data.val.multi_scale is not None:
        fail("data.val.multi_scale", "for training only: remove it")
    for key, entry, value in sections(data.val.pipeline):
        same = (default_of(entry), _IDENTITY.get(key))
        if key != "normalize" and value and value not in same:
            fail(f"data.val.pipeline.{key}", "validation images are not augmented: remove it")
    if data.train.pipeline.normalize != data.val.pipeline.normalize:
        fail(
            "data.val.pipeline.normalize",
            "differs from data.train's, with which the network is trained",
        )


def remarks(config: Any) -> list[str]:
    """Return lines on settings that have no effect, such as milestones after the end of a short run."""
    schedule, limits = config.schedule, config.evaluator
    epochs, lines = schedule.total_epochs, []
    milestones, last = schedule.lr_schedule.milestones, schedule.lr_schedule.T_max
    if milestones and min(milestones) >= epochs:
        lines.append(
            f"schedule.lr_schedule.milestones: {milestones} are after the last of {epochs} epochs: "
            f"the learning rate does not fall"
        )
    if last and last > epochs:
        lines.append(
            f"schedule.lr_schedule.T_max: {last} is after the last of {epochs} epochs: the learning "
            f"rate does not fall to eta_min"
        )
    if last and last < epochs and not schedule.lr_schedule.eta_min:
        lines.append(
            f"schedule.lr_schedule.T_max: the learning rate is 0 after epoch {last} of {epochs}: nothing "
            f"is learned then; remove T_max, or set eta_min"
        )
    stopping = schedule.early_stopping
    evaluations = -(-epochs // schedule.val_intervals)
    if stopping and stopping.patience >= evaluations:
        lines.append(
            f"schedule.early_stopping: patience {stopping.patience} is not reached in "
            f"{evaluations} evaluations: the run never stops early"
        )
    for key, entry, value in sections(config):
        if value == default_of(entry):
            continue
        if key.endswith(_DECAY) and not schedule.optimizer.weight_decay:
            lines.append(f"{key}: schedule.optimizer.weight_decay is 0, so this has no effect")
        if key.endswith("norm_cfg.momentum") and schedule.freeze_norm:
            lines.append(f"{key}: schedule.freeze_norm keeps the statistics, so this has no effect")
    lines += _remarks_on_steps(config.data.train.pipeline, epochs)
    levels = len(config.model.arch.head.strides)
    if limits.per_picture > limits.per_level * levels:
        lines.append(
            f"evaluator.per_picture: {limits.per_picture} is never reached: evaluator.per_level keeps "
            f"{limits.per_level} on each of {levels} levels"
        )
    return lines


def _remarks_on_steps(pipeline: Any, epochs: int) -> Iterator[str]:
    """Yield lines on settings of augmentation steps that are off, or off in all epochs."""
    on = [name for name in OFF_AT_THE_END if getattr(pipeline, name)]
    for key, entry, value in sections(pipeline):
        step = key.partition("_")[0]
        if step in OFF_AT_THE_END and key != step and step not in on and value != default_of(entry):
            yield f"data.train.pipeline.{key}: {step} is 0, so this has no effect"
    if pipeline.off_epochs and not on:
        steps = ", ".join(OFF_AT_THE_END)
        yield f"data.train.pipeline.off_epochs: no effect without any of {steps}"
    elif on and pipeline.off_epochs >= epochs:
        yield (
            f"data.train.pipeline.off_epochs: {pipeline.off_epochs} of {epochs} epochs: "
            f"none is left with {', '.join(on)}"
        )
