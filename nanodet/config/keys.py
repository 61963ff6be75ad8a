"""What the schema says about a key, and how its dataclasses are walked through."""

import importlib
import types
import typing
from dataclasses import MISSING, Field, field, fields, is_dataclass
from typing import Any, NamedTuple

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
        table: "module:NAME" of the table that the section's ``name`` is looked up in; empty for a key
            of a fixed type.
        part: the entry that the section is without a ``name``.
    """

    text: str
    low: float | None = None
    high: float | None = None
    known: tuple = ()
    ours: bool = False
    unread: bool = False
    alike: tuple = ()
    table: str = ""
    part: str | None = None


def key(default, text, low=None, high=None, known=(), ours=False, unread=False, alike=()):
    """Return a dataclass field with its `Meaning`; a callable ``default`` makes the value."""
    metadata = {"meaning": Meaning(text, low, high, known, ours, unread, alike)}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def part(table: str, default: str | None, text: str) -> Any:
    """Return the field of a section whose keys are those of the part that its ``name`` chooses.

    The parts need torch, so the table is imported when a config is read, not before.

    Args:
        table: "module:NAME" of a table such as `nanodet.model.backbones.BACKBONES`.
        default: the part where the file names none; None: no part where the section is left out.
        text: for the reference page.
    """
    metadata = {"meaning": Meaning(text, table=table, part=default)}
    if default is None:
        return field(default=None, metadata=metadata)
    return field(default_factory=lambda: look_up(table)[default].section(), metadata=metadata)


def parts_of(entry: Field) -> dict:
    """Return the table of the parts that a field made by `part` may hold: name to `Part`."""
    return look_up(meaning(entry).table)


def look_up(reference: str) -> Any:
    """Return what "module:NAME" names, of a room above this one: imported when it is needed."""
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)


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


def section_of(entry, hint):
    """Return the dataclass that a key holds, or holds by name; else None. Of parts: the default one."""
    about = meaning(entry)
    if about.table:
        return None if about.part is None else parts_of(entry)[about.part].section
    hint = without_none(hint)
    if typing.get_origin(hint) is dict:
        hint = typing.get_args(hint)[1]
    return hint if is_dataclass(hint) else None
