"""Builds the schema's dataclasses from a mapping, checking every key and type."""

import contextlib
import dataclasses
import math
import types
import typing
from dataclasses import Field
from typing import Any, TypeVar

from nanodet.config.hints import unknown_key, unknown_value
from nanodet.config.keys import REQUIRED, default_of, entries, meaning, parts_of
from nanodet.errors import NanodetError
from nanodet.text.brief import brief

T = TypeVar("T")
_WORDS = {
    bool: "true or false", int: "a whole number", float: "a number",
    str: "a text", type(None): "null",
}  # fmt: skip


def build(kind: type[T], value: Any, file: str, key: str = "", siblings: dict | None = None) -> T:
    """Return an instance of the dataclass ``kind`` filled from the mapping ``value``.

    Args:
        kind: a dataclass of `nanodet.config.schema`, or the section of a part.
        value: the value from the YAML file.
        file: the file's name, for messages.
        key: the dotted key of ``value`` in the file.
        siblings: for a part: its table.

    Raises:
        NanodetError: an unknown or missing key, or a value of the wrong type.
    """
    _check_mapping(value, file, key)
    known = {entry.name: (entry, hint) for entry, hint in entries(kind)}
    for name, one in value.items():
        if name in known:
            continue
        owners = [owner for owner, other in (siblings or {}).items() if _has(other.section, name)]
        if not owners:
            full, part = _join(key, name), value["name"] if siblings else None
            raise NanodetError(f"{file}: {full}: {unknown_key(name, full, known, part)}")
        if one is not None:
            _refuse_foreign(file, _join(key, name), name, known, value, owners)
    arguments = {}
    for entry, hint in known.values():
        if entry.name in value:
            arguments[entry.name] = _convert(
                hint, value[entry.name], file, _join(key, entry.name), entry
            )
        elif entry.default is REQUIRED:
            raise NanodetError(f"{file}: {_join(key, entry.name)}: this key is missing")
    return kind(**arguments)


def build_part(entry: Field, value: Any, file: str, key: str) -> Any:
    """Return the section of the part named in the mapping ``value``, see `nanodet.config.keys.part`.

    Raises:
        NanodetError: as `build` does, and for a part that is not in the table.
    """
    _check_mapping(value, file, key)
    table, name = parts_of(entry), value.get("name")
    if name is None:
        name = meaning(entry).part
    if name is None:
        raise NanodetError(f"{file}: {key}.name: this key is missing; known: {', '.join(table)}")
    if not isinstance(name, str) or name not in table:
        # old files may name parts that do not exist here; suggest a model that does
        other = "" if ".head." in key else " (without model.arch the model is NanoDet-m)"
        raise NanodetError(
            f"{file}: {key}.name: {unknown_value(name, table, f'{key}.name', other)}"
        )
    return build(table[name].section, {**value, "name": name}, file, key, table)


def _check_mapping(value, file, key):
    if not isinstance(value, dict):
        raise NanodetError(f"{file}: {key or 'the file'}: must be a mapping, not {brief(value)}")


def _has(section, name):
    return any(entry.name == name for entry in dataclasses.fields(section))


def _refuse_foreign(file, key, name, known, value, owners):
    """Refuse a key that only other parts of the same kind have."""
    alike = [own for own, (entry, _) in known.items() if name in meaning(entry).alike]
    hint = f"did you mean {alike[0]}?" if alike else "remove it"
    has = "has" if len(owners) == 1 else "have"
    raise NanodetError(
        f"{file}: {key}: {value['name']} has no such setting ({', '.join(owners)} {has} it); {hint}"
    )


def _join(key, name):
    return f"{key}.{name}" if key else str(name)


def _convert(hint, value, file, key, entry=None):
    if value is None and entry is not None and not _takes_none(hint, entry):
        # an empty "key:" means the default, as in the original's files
        known = meaning(entry).known
        if known:
            # in the original, null is a separate value, such as no activation
            raise NanodetError(
                f"{file}: {key}: this key is empty; known: {', '.join(map(str, known))}"
            )
        if entry.default is REQUIRED:
            raise NanodetError(f"{file}: {key}: this key is empty")
        return default_of(entry)
    if entry is not None and meaning(entry).table:
        return None if value is None else build_part(entry, value, file, key)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return _convert_union(typing.get_args(hint), value, file, key)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return build(hint, value, file, key)
    if hint is typing.Any:
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        if not isinstance(value, (list, tuple)):
            raise NanodetError(f"{file}: {key}: must be a list, not {brief(value)}")
        return [_convert(arguments[0], v, file, f"{key}[{i}]") for i, v in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise NanodetError(f"{file}: {key}: must be a mapping, not {brief(value)}")
        return {k: _convert(arguments[1], v, file, _join(key, k)) for k, v in value.items()}
    return _convert_scalar(hint, value, file, key)


def _takes_none(hint, entry):
    if meaning(entry).table:
        return meaning(entry).part is None or meaning(entry).optional
    return hint is typing.Any or type(None) in typing.get_args(hint)


def _convert_union(choices, value, file, key):
    if value is None and type(None) in choices:
        return None
    rest = [choice for choice in choices if choice is not type(None)]
    if len(rest) == 1:
        return _convert(rest[0], value, file, key)
    for choice in rest:
        if typing.get_origin(choice) is list and isinstance(value, list):
            return _convert(choice, value, file, key)
        if type(value) is choice:
            return value
    words = " or ".join(_WORDS.get(choice, "a list") for choice in rest)
    raise NanodetError(f"{file}: {key}: must be {words}, not {brief(value)}")


def _convert_scalar(hint, value, file, key):
    if hint is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            value = float(value)  # YAML 1.1 reads "1e-3" as text
    if hint is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    out_of_range = (hint is float and type(value) is float and not math.isfinite(value)) or (
        hint is int and type(value) is int and abs(value) >= 2**31
    )
    if type(value) is hint and not out_of_range:
        return value
    raise NanodetError(f"{file}: {key}: must be {_WORDS[hint]}, not {brief(value)}")
