"""Computes the size of a value of a user's file with all its references expanded.

YAML aliases and a checkpoint's pickle can refer to the same list many times: ten references to a
list of ten, twenty levels deep, are small in memory, but endless when they are copied or printed.
"""

from collections.abc import Callable, Collection
from typing import Any

from nanodet.errors import NanodetError

MOST = 1_000_000  # values
DEEPEST = 100  # Python's stack only allows several hundred levels of recursion


def parts_of(value: object) -> Collection[Any]:
    """Return the direct contents of plain data: items, keys and values."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, (list, tuple, set)) else ()


def check_expansion(
    value: object,
    file: object,
    parts: Callable[[Any], Collection[Any]] = parts_of,
    most: float = MOST,
) -> None:
    """Raise `NanodetError` for data with more than ``most`` values, too many levels, or a cycle.

    Each value is visited once, however often it is referred to.

    Args:
        value: mappings, lists and scalars.
        file: names it in messages.
        parts: returns the direct contents of a value; an empty sequence for a scalar.
    """
    try:
        _measure(value, parts, most, {}, 0)
    except _Refused as refused:
        raise NanodetError(f"{file}: {refused}") from None


class _Refused(Exception):
    pass


def _measure(
    value: object,
    parts: Callable[[Any], Collection[Any]],
    most: float,
    known: dict[int, tuple[int, int] | None],
    depth: int,
) -> tuple[int, int]:
    """Return (total number of values, levels) of a value; ``known`` has the results for earlier values."""
    held = parts(value)
    if not len(held):
        return 1, 0
    if id(value) in known:
        measured = known[id(value)]
        if measured is None:
            raise _Refused("a list or mapping in it holds itself")
    else:
        known[id(value)] = None
        total, levels = 1, 0
        for part in held:
            if depth > DEEPEST:
                break
            count, deep = _measure(part, parts, most, known, depth + 1)
            total, levels = total + count, max(levels, deep)
        measured = known[id(value)] = total, levels + 1
    if depth + measured[1] > DEEPEST:
        raise _Refused(f"is nested more than {DEEPEST} levels deep")
    if measured[0] > most:
        raise _Refused(f"holds more than {most:,} values, counted wherever they are referred to")
    return measured
