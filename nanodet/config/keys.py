"""What the schema says about a key, and how its dataclasses are walked through."""

import types
import typing
from dataclasses import MISSING, field, fields, is_dataclass
from typing import NamedTuple

REQUIRED = object()

Range = list[float]
MUCH = 2**31
ABOVE_ZERO = 1e-12


class Meaning(NamedTuple):
    """What the schema says about a key besides its type and default.

    Attributes:
        text: for the reference page.
        low, high: bounds of a number, both included; ``None`` for none.
        known: the values it takes; empty for any of its type.
        ours: whether the original has no such key.
        unread: whether it belongs to parts that only the original has: known, and refused.
        alike: names that other parts have for the same: who writes one of them means this key.
    """

    text: str
    low: float | None = None
    high: float | None = None
    known: tuple = ()
    ours: bool = False
    unread: bool = False
    alike: tuple = ()


def key(default, text, low=None, high=None, known=(), ours=False, unread=False, alike=()):
    """Return a dataclass field with its `Meaning`; a callable ``default`` makes the value."""
    metadata = {"meaning": Meaning(text, low, high, known, ours, unread, alike)}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def unread(parts):
    """Return the field of a key that only ``parts``, which are not built here, have."""
    return key(None, parts, unread=True)


def meaning(entry):
    """Return the `Meaning` of a dataclass field."""
    return entry.metadata["meaning"]


def default_of(entry):
    """Return the value of a field that a file leaves out, or `REQUIRED`."""
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


def sections(config, prefix=""):
    """Yield (dotted key, field, value) of every key of a dataclass, sections before their keys."""
    for entry in fields(config):
        dotted = f"{prefix}{entry.name}"
        value = getattr(config, entry.name)
        yield dotted, entry, value
        for inner, name in _inner(value, dotted):
            yield from sections(inner, f"{name}.")


def _inner(value, dotted):
    if is_dataclass(value):
        yield value, dotted
    elif isinstance(value, dict):
        for name, one in value.items():
            if is_dataclass(one):
                yield one, f"{dotted}.{name}"


def entries(kind):
    """Return (field, type) of every key of a dataclass."""
    hints = typing.get_type_hints(kind)
    return [(entry, hints[entry.name]) for entry in fields(kind)]


def without_none(hint):
    """Return a type without its ``None``; a union of several stays one."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        rest = [choice for choice in typing.get_args(hint) if choice is not type(None)]
        return rest[0] if len(rest) == 1 else typing.Union[tuple(rest)]  # noqa: UP007
    return hint


def section_of(hint):
    """Return the dataclass that a key of this type holds, or holds by name; else None."""
    hint = without_none(hint)
    if typing.get_origin(hint) is dict:
        hint = typing.get_args(hint)[1]
    return hint if is_dataclass(hint) else None


def walk(kind, prefix=""):
    """Yield (dotted key, field, type) of every key below a dataclass, sections before their keys.

    Where a file chooses names itself, as in ``param_level_cfg``, a ``*`` stands for them.
    """
    for entry, hint in entries(kind):
        dotted = f"{prefix}{entry.name}"
        yield dotted, entry, hint
        section = section_of(hint)
        if section is not None:
            named = typing.get_origin(without_none(hint)) is dict
            yield from walk(section, f"{dotted}.*." if named else f"{dotted}.")
