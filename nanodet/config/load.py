"""From a YAML file (and ``key=value`` overrides) to a checked `Config`, and back."""

import dataclasses

import yaml

from nanodet.config.build import build
from nanodet.config.check import check, failing
from nanodet.config.effects import refuse_without_effect
from nanodet.config.schema import Config
from nanodet.errors import NanodetError
from nanodet.runtime.files import write_text


class _Loader(yaml.SafeLoader):
    """Refuses a mapping that has a key twice, of which YAML silently takes the last."""

    def compose_mapping_node(self, anchor):
        node = super().compose_mapping_node(anchor)
        lines = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise yaml.YAMLError(
                        f"{key.value} is given twice, in line {lines[key.value]} and in line {line}"
                    )
                lines[key.value] = line
        return node


# yaml raises plain ones too, for values such as 2001-99-99 and !!bool x
_YAML_ERRORS = (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError)


def load_config(path, overrides=()):
    """Read a config file.

    Args:
        path: a YAML file with the schema of NanoDet 1.0.
        overrides: texts such as ``schedule.optimizer.lr=0.01``; the value is YAML.

    Raises:
        NanodetError: not readable, an unknown key, a wrong type or value; the message names the
            file and the key.
    """
    try:
        with open(path, encoding="utf-8") as file:
            mapping = yaml.load(file, _Loader)
    except OSError as error:
        raise NanodetError(f"{path}: cannot read this config ({error.strerror})") from None
    except UnicodeDecodeError:
        raise NanodetError(f"{path}: this config is not a text file in UTF-8") from None
    except _YAML_ERRORS as error:
        raise NanodetError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(mapping, dict):
        raise NanodetError(f"{path}: not a config: a mapping with model, data, ... is expected")
    for text in overrides:
        _override(mapping, text)
    config = config_from_dict(mapping, path)
    refuse_without_effect(config, failing(path))
    return config


def config_from_dict(mapping, file="config"):
    """Build a `Config` from a plain mapping; ``file`` names it in messages.

    Settings without effect are not refused, see `nanodet.config.effects`.
    """
    config = build(Config, mapping, str(file))
    # "resume:" with nothing behind it asks to resume, as in the original
    if "resume" in (mapping.get("schedule") or {}) and config.schedule.resume is None:
        config.schedule.resume = True
    check(config, failing(file))
    return config


def config_to_dict(config):
    """Return plain mappings and lists that YAML, JSON and a checkpoint can hold."""
    return _without_none(dataclasses.asdict(config))


def save_config(config, path):
    """Write ``config`` as YAML, whole or not at all."""
    text = yaml.safe_dump(config_to_dict(config), sort_keys=False, allow_unicode=True)
    write_text(path, text)


def _without_none(value):
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return value


def _override(mapping, text):
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise NanodetError(f"{text}: an override has the form key.key=value")
    *parents, last = key.split(".")
    for parent in parents:
        if mapping.get(parent) is None:
            mapping[parent] = {}
        mapping = mapping[parent]
        if not isinstance(mapping, dict):
            raise NanodetError(f"{text}: {parent} is not a mapping")
    try:
        mapping[last] = yaml.load(value, _Loader)
    except _YAML_ERRORS:
        raise NanodetError(f"{text}: the value is not valid YAML") from None
