"""Configs that checkpoints hold: what was trained with one must load, whatever is refused by now."""

import copy

from nanodet.config.build import build
from nanodet.config.check import check, failing
from nanodet.config.schema import Config

FORMAT = 2  # 1: norm_cfg, and the neck's activation, were accepted and had no effect
# what made a network, and neither shapes nor evaluates it
_PAST = (
    "data.train", "device", "grad_clip", "log", "model.arch.head.ignore_iof_thr",
    "model.weight_averager", "schedule", "seed",
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
    if version is None and isinstance(mapping, dict):
        mapping = _as_followed(mapping)
    fail = failing(file)

    def fail_unless_past(key, why):
        if not any(key == past or key.startswith(f"{past}.") for past in _PAST):
            fail(key, why)

    config = build(Config, mapping, file)
    check(config, fail_unless_past)
    return config


def _as_followed(mapping):
    mapping = copy.deepcopy(mapping)
    for part in ("fpn", "head"):
        section = mapping
        for name in ("model", "arch", part):
            section = section.get(name) if isinstance(section, dict) else None
        if not isinstance(section, dict):
            continue
        section.pop("norm_cfg", None)
        if part == "fpn":
            section.pop("activation", None)
    return mapping
