"""Declares the keys of the schema, and iterates over its dataclasses."""

import importlib
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, Field, field, fields, is_dataclass
from typing import Any, NamedTuple

REQUIRED = object()

Fail = Callable[[str, str], None]  # called with key and reason, see `nanodet.config.check.failing`
Range = list[float]
MUCH = 2**31
ABOVE_ZERO = 1e-12


class Meaning(NamedTuple):
    """What the schema says about a key besides its type and default.

    Attributes:
        text: for the reference page.
        low, high: bounds of a number, both included; ``None`` for none.
        known: the values it takes; empty for all values of its type.
        ours: whether the original lacks this key.
        unread: whether it belongs to parts that only the original has: it is known, and refused.
        alike: names of the same setting in other parts: a user who writes one of them means this key.
        table: "module:NAME" of the table in which the section's ``name`` is looked up; empty for a key
            of a fixed type.
        part: the entry for a section without a ``name``.
        optional: whether null means that there is no such part, though a missing key means the default.
        instead: advice for those who give a value that it does not take.
    """

    text: str
    low: float | None = None
    high: float | None = None
    known: Iterable[Any] = ()
    ours: bool = False
    unread: bool = False
    alike: tuple = ()
    table: str = ""
    part: str | None = None
    optional: bool = False
    instead: str = ""


def key(
    default: Any,
    text: str,
    low: float | None = None,
    high: float | None = None,
    known: Iterable[Any] = (),
    ours: bool = False,
    unread: bool = False,
    alike: tuple[str, ...] = (),
    instead: str = "",
) -> Any:
    """Return a dataclass field with its `Meaning`; a callable ``default`` is called for the value."""
    metadata = {"meaning": Meaning(text, low, high, known, ours, unread, alike, instead=instead)}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def part(table: str, default: str | None, text: str, optional: bool = False) -> Any:
    """Return the field of a section whose keys are those of the part that its ``name`` chooses.

    The parts need torch, so the table is only imported when a config is read.

    Args:
        table: "module:NAME" of a table such as `nanodet.model.backbones.BACKBONES`.
        default: the part if the file names none; None: no part if the section is missing.
        text: for the reference page.
        optional: whether null means no part, also where there is a default.
    """
    metadata = {"meaning": Meaning(text, table=table, part=default, optional=optional)}
    if default is None:
        return field(default=None, metadata=metadata)
    return field(default_factory=lambda: look_up(table)[default].section(), metadata=metadata)


def parts_of(entry: Field) -> dict:
    """Return the table of parts for a field made by `part`: name to `Part`."""
    return look_up(meaning(entry).table)


def look_up(reference: str) -> Any:
    """Return the object "module:NAME" of a higher package, which is imported when it is needed."""
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)


def unread(parts: str) -> Any:
    """Return the field of a key that only ``parts``, which do not exist here, have."""
    return key(None, parts, unread=True)


def meaning(entry: Field) -> Meaning:
    """Return the `Meaning` of a dataclass field."""
    return entry.metadata["meaning"]


def default_of(entry: Field) -> Any:
    """Return the value of a field that is missing in a file, or `REQUIRED`."""
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


def sections(config: Any, prefix: str = "") -> Iterator[tuple[str, Field, Any]]:
    """Yield (dotted key, field, value) of every key of a dataclass, sections before their keys."""
    for entry in fields(config):
        dotted = f"{prefix}{entry.name}"
        value = getattr(config, entry.name)
        yield dotted, entry, value
        for inner, name in _inner(value, dotted):
            yield from sections(inner, f"{name}.")


def _inner(value: Any, dotted: str) -> Iterator[tuple[Any, str]]:
    if is_dataclass(value):
        yield value, dotted
    elif isinstance(value, dict):
        for name, one in value.items():
            if is_dataclass(one):
                yield one, f"{dotted}.{name}"


def entries(kind: type) -> list[tuple[Field, Any]]:
    """Return (field, type) of every key of a dataclass."""
    hints = typing.get_type_hints(kind)
    return [(entry, hints[entry.name]) for entry in fields(kind)]


def without_none(hint: Any) -> Any:
    """Return a type without its ``None``; a union of several stays one."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        rest = [choice for choice in typing.get_args(hint) if choice is not type(None)]
        return rest[0] if len(rest) == 1 else typing.Union[tuple(rest)]  # noqa: UP007
    return hint


def section_of(entry: Field, hint: Any) -> type | None:
    """Return the dataclass of a section's key, for a part that of the default one; None for other keys."""
    about = meaning(entry)
    if about.table:
        return None if about.part is None else parts_of(entry)[about.part].section
    hint = without_none(hint)
    if typing.get_origin(hint) is dict:
        hint = typing.get_args(hint)[1]
    return hint if isinstance(hint, type) and is_dataclass(hint) else None
