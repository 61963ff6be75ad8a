"""Configs that checkpoints hold: what was trained with one must load, whatever is refused by now."""

import copy

from nanodet.config.build import build
from nanodet.config.check import check, failing
from nanodet.config.keys import entries, meaning, parts_of, section_of
from nanodet.config.schema import Config

FORMAT = 2  # 1: norm_cfg, and the neck's activation, were accepted and had no effect
# what made a network, and neither shapes nor evaluates it
_PAST = (
    "data.train", "data.val.name", "device", "grad_clip", "log", "model.arch.head.assigner_cfg",
    "model.arch.head.ignore_iof_thr", "model.arch.head.loss", "model.weight_averager", "schedule",
    "seed",
)  # fmt: skip


def config_of_checkpoint(mapping, version, file):
    """Build the `Config` of a checkpoint.

    Args:
        mapping: plain mappings and lists, see `nanodet.config.config_to_dict`.
        version: the `FORMAT` that it was written in, None for the first. What that did not follow
            is left out, because the weights were learned without it.
        file: names it in messages.

    Raises:
        NanodetError: no config, or one of a network that cannot be built.
    """
    if isinstance(mapping, dict):
        mapping = copy.deepcopy(mapping)
        if version is None:
            _leave_unfollowed(mapping)
        _leave_strangers(Config, mapping)
    fail = failing(file)

    def fail_unless_past(key, why):
        if not _is_past(key):
            fail(key, why)

    config = build(Config, mapping, file)
    check(config, fail_unless_past)
    return config


def _leave_unfollowed(mapping):
    """Drop the keys that the first format did not follow."""
    for part in ("fpn", "head"):
        section = _section(mapping, "model", "arch", part)
        section.pop("norm_cfg", None)
        if part == "fpn":
            section.pop("activation", None)


def _leave_strangers(kind, mapping, prefix=""):
    """Drop past parts that are not built in: the script of the training had its own."""
    for entry, hint in entries(kind):
        value, key = mapping.get(entry.name), f"{prefix}{entry.name}"
        if not isinstance(value, dict):
            continue
        section = section_of(entry, hint)
        if meaning(entry).table and isinstance(value.get("name"), str):
            part = parts_of(entry).get(value["name"])
            if part is None and _is_past(key):
                del mapping[entry.name]
            section = part and part.section
        if section is not None:
            _leave_strangers(section, value, f"{key}.")


def _is_past(key):
    return any(key == past or key.startswith(f"{past}.") for past in _PAST)


def _section(mapping, *names):
    """Return the mapping below ``names``, or an empty one."""
    for name in names:
        mapping = mapping.get(name) if isinstance(mapping, dict) else None
    return mapping if isinstance(mapping, dict) else {}
