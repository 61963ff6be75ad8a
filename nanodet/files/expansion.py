"""How large a value of a user's file is when all that it refers to is written out.

YAML's aliases and a checkpoint's pickle refer to the same list many times: a list of ten that refer
to a list of ten, twenty deep, is small in memory, and endless for whoever copies or prints it.
"""

from collections.abc import Callable, Collection
from typing import Any

from nanodet.errors import NanodetError

MOST = 1_000_000  # values
DEEPEST = 100  # Python's own stack ends at some hundred levels of a recursive function


def parts_of(value: object) -> Collection[Any]:
    """Return what plain data holds directly: items, keys and values."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, (list, tuple, set)) else ()


def check_expansion(
    value: object,
    file: object,
    parts: Callable[[Any], Collection[Any]] = parts_of,
    most: float = MOST,
) -> None:
    """Raise `NanodetError` for what holds more than ``most`` values, is too deep, or holds itself.

    Takes time for each value once, however often it is referred to.

    Args:
        value: mappings, lists and scalars.
        file: names it in messages.
        parts: returns what a value holds directly; an empty sequence for a scalar.
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
    """Return (values in all, levels) of a value; ``known`` has those of values seen before."""
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
