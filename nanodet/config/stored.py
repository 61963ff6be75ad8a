"""Configs in checkpoints: a trained model must load even if its config would now be refused."""

import copy
from typing import Any

from nanodet.config.build import build
from nanodet.config.check import check, failing
from nanodet.config.keys import entries, meaning, parts_of, section_of
from nanodet.config.schema import Config

FORMAT = 2  # 1: norm_cfg, and the neck's activation, were accepted and had no effect
# keys that affect training only, not the network or its evaluation
_TRAINING_ONLY = (
    "data.train", "data.val.name", "device", "distill", "grad_clip", "log", "logger",
    "model.arch.head.assigner_cfg", "model.arch.head.ignore_iof_thr", "model.arch.head.loss",
    "model.weight_averager", "schedule", "seed",
)  # fmt: skip


def config_of_checkpoint(mapping: Any, version: int | None, file: str) -> Config:
    """Build the `Config` of a checkpoint.

    Args:
        mapping: plain mappings and lists, see `nanodet.config.config_to_dict`.
        version: the `FORMAT` in which it was written, None for the first. Keys that had no effect in
            that format are dropped, because the weights were trained without them.
        file: names it in messages.

    Raises:
        NanodetError: not a config, or that of a network that cannot be built.
    """
    if isinstance(mapping, dict):
        mapping = copy.deepcopy(mapping)
        if version is None:
            _drop_ineffective(mapping)
        _drop_unknown_parts(Config, mapping)
    fail = failing(file)

    def fail_unless_training(key: str, why: str) -> None:
        if not _is_training_only(key):
            fail(key, why)

    config = build(Config, mapping, file)
    check(config, fail_unless_training)
    return config


def _drop_ineffective(mapping):
    """Drop the keys that had no effect in the first format."""
    for part in ("fpn", "head"):
        section = _section(mapping, "model", "arch", part)
        section.pop("norm_cfg", None)
        if part == "fpn":
            section.pop("activation", None)


def _drop_unknown_parts(kind, mapping, prefix=""):
    """Drop training-only parts that do not exist here: the training script defined them."""
    for entry, hint in entries(kind):
        value, key = mapping.get(entry.name), f"{prefix}{entry.name}"
        if not isinstance(value, dict):
            continue
        section = section_of(entry, hint)
        if meaning(entry).table and isinstance(value.get("name"), str):
            part = parts_of(entry).get(value["name"])
            if part is None and _is_training_only(key):
                del mapping[entry.name]
            section = part and part.section
        if section is not None:
            _drop_unknown_parts(section, value, f"{key}.")


def _is_training_only(key):
    return any(key == training or key.startswith(f"{training}.") for training in _TRAINING_ONLY)


def _section(mapping, *names):
    """Return the mapping below ``names``, or an empty one."""
    for name in names:
        mapping = mapping.get(name) if isinstance(mapping, dict) else None
    return mapping if isinstance(mapping, dict) else {}
