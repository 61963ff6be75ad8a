"""Checked values of annotation files; the messages name the object and the key."""

from typing import Any

from nanodet.data.assemble import is_file_name, is_finite, whole_number
from nanodet.errors import NanodetError
from nanodet.text.brief import brief


def image_name(value: Any, key: str, where: str) -> str:
    """Return the value of a key if it can be the name of an image."""
    if not isinstance(value, str) or not value.strip() or not is_file_name(value):
        raise NanodetError(f"{where}: {key} {brief(value)} is not the name of an image")
    return value


def class_name(values: dict[str, Any], key: str, where: str) -> str:
    """Return the name of a class, without blanks around it, which an object must have."""
    name = values.get(key)
    if not isinstance(name, str) or not name.strip():
        what = f": {key} {brief(name)} is not a name" if key in values else f": has no {key!r}"
        raise NanodetError(f"{where}{what}")
    return name.strip()


def number(values: Any, key: str, where: str, default: float | None = None) -> float:
    """Return a number of an object of a file.

    Args:
        values: a mapping; texts such as "1.5" count as numbers, as those of XML and CSV files are.
        key: which value.
        where: names the object in the message.
        default: for a missing value; None: it must exist.

    Raises:
        NanodetError: it is missing, or not a finite number.
    """
    value = values.get(key)
    if value is None:
        if default is not None:
            return default
        raise NanodetError(f"{where} has no {key!r}")
    if isinstance(value, str) and len(value) < 400:
        try:
            value = float(value)
        except ValueError:
            pass
    if not is_finite(value):
        raise NanodetError(f"{where}: {key} {brief(value)} is not a number")
    return float(value)


def side(values: Any, key: str, where: str) -> int:
    """Return the width or height of an image in pixels, 0 if it is missing; see `number`."""
    value = number(values, key, where, 0)
    if whole_number(value) is None:
        raise NanodetError(f"{where}: {key} {brief(values[key])} is not a number of pixels")
    return int(value)


def mapping(value: Any, what: str) -> dict[str, Any]:
    """Return a value that must be an object; ``what`` names it in the message."""
    if not isinstance(value, dict):
        raise NanodetError(f"{what} {brief(value)} is not an object such as {{...}}")
    return value


def entries_in(values: Any, key: str, where: str) -> list[Any]:
    """Return a list that an object must have, null or absent for an empty one."""
    value = values.get(key)
    if not isinstance(value, list) and value is not None:
        raise NanodetError(f"{where}: {key} {brief(value)} is not a list")
    return value or []


def points_of(value: Any, key: str, where: str) -> list[tuple[float, float]]:
    """Return points ``[[x, y], ...]``, at least one."""
    good = isinstance(value, list) and bool(value)
    for point in value if good else ():
        good &= isinstance(point, list) and len(point) == 2 and all(map(is_finite, point))
    if not good:
        raise NanodetError(f"{where}: {key} {brief(value)} are not points [[x, y], ...]")
    return [(float(x), float(y)) for x, y in value]
