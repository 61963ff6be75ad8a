"""Reads a YAML file (with ``key=value`` overrides) into a checked `Config`, and writes it."""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from nanodet.config.build import build
from nanodet.config.check import check, check_data, check_values, failing
from nanodet.config.data_sections import Data
from nanodet.config.effects import refuse_without_effect
from nanodet.config.schema import Config
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import write_text
from nanodet.files.inputs import CONFIG, read_text
from nanodet.files.yaml_text import parse_yaml


def load_config(path: StrPath, overrides: Iterable[str] = ()) -> Config:
    """Read a config file.

    Args:
        path: a YAML file with the schema of NanoDet 1.0.
        overrides: texts such as ``schedule.optimizer.lr=0.01``; the value is YAML.

    Raises:
        NanodetError: not readable, an unknown key, a wrong type or value; the message names the
            file and the key.
    """
    config = config_from_dict(read_mapping(path, overrides), path)
    refuse_without_effect(config, failing(path))
    return config


def load_data(path: StrPath) -> Data:
    """Read only what a config file says about its data, which needs no torch.

    Returns:
        its `nanodet.config.data_sections.Data`.

    Raises:
        NanodetError: as `load_config` does.
    """
    data = build(Data, read_mapping(path).get("data"), str(path), "data")
    check_values(data, failing(path), "data.")
    check_data(data, failing(path))
    return data


def read_mapping(path: StrPath, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """Return the unchecked contents of a config file, with ``overrides`` as in `load_config`.

    Raises:
        NanodetError: not readable, or not a mapping.
    """
    if os.path.isdir(path):
        raise NanodetError(
            f"{path}: is a folder, where a config is expected: nanodet init writes one for a folder of images"
        )
    try:
        text = read_text(path, CONFIG)
    except UnicodeDecodeError:
        raise NanodetError(f"{path}: this config is not a text file in UTF-8") from None
    mapping = parse_yaml(text, path)
    if not isinstance(mapping, dict):
        raise NanodetError(f"{path}: not a config: a mapping with model, data, ... is expected")
    for text in overrides:
        apply_override(mapping, text)
    return mapping


def config_from_dict(mapping: dict[str, Any], file: StrPath = "config") -> Config:
    """Build a `Config` from a plain mapping; ``file`` names it in messages.

    Settings without effect are not refused, see `nanodet.config.effects`.
    """
    config = build(Config, mapping, str(file))
    # an empty "resume:" means to resume, as in the original
    if "resume" in (mapping.get("schedule") or {}) and config.schedule.resume is None:
        config.schedule.resume = True
    check(config, failing(file))
    return config


def config_to_dict(config: Config) -> dict[str, Any]:
    """Return plain mappings and lists, for YAML, JSON and checkpoints."""
    return _without_none(dataclasses.asdict(config))


def dotted_keys(config: Config) -> dict[str, Any]:
    """Return the settings of a `Config` in one mapping, whose keys are ``schedule.optimizer.lr``."""
    return _dotted(config_to_dict(config), "")


def _dotted(mapping: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, dict):
            found |= _dotted(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def save_config(config: Config, path: StrPath) -> None:
    """Write ``config`` as YAML, completely or not at all."""
    text = yaml.safe_dump(config_to_dict(config), sort_keys=False, allow_unicode=True)
    write_text(path, text)


def _without_none(value):
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return value


def apply_override(mapping: dict[str, Any], text: str) -> Any:
    """Change the contents of a config file as a text such as ``schedule.optimizer.lr=0.01`` says.

    Returns:
        the new value.

    Raises:
        NanodetError: not of this form, or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise NanodetError(f"{text}: an override has the form key.key=value")
    if not value.strip() and key != "schedule.resume":  # such as from an unset shell variable
        raise NanodetError(f"{key}: no value after {text.strip()} ({key}=null for none)")
    try:
        found = parse_yaml(value, text)
    except NanodetError:
        raise NanodetError(f"{text}: the value is not valid YAML") from None
    put(mapping, key, found, text)
    return found


def put(mapping: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set the value of a dotted key in nested mappings, which are created if necessary.

    Args:
        mapping: the contents of a config file, changed in place.
        key: such as ``schedule.optimizer.lr``.
        value: of any kind; replaces the whole value at the key.
        where: names the change in messages.

    Raises:
        NanodetError: a part of the key before the last is not a mapping.
    """
    *parents, last = key.split(".")
    for parent in parents:
        if mapping.get(parent) is None:
            mapping[parent] = {}
        mapping = mapping[parent]
        if not isinstance(mapping, dict):
            raise NanodetError(f"{where}: {parent} is not a mapping")
    mapping[last] = value
