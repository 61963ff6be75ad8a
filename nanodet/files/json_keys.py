"""Reads the keys of a JSON object; every error names the file and the key."""

import json
import math
import re
import sys
from typing import Any, NoReturn, TypeVar

from nanodet.errors import NanodetError
from nanodet.files.expansion import DEEPEST, check_expansion

Value = TypeVar("Value")

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


class JsonKeys:
    """Reads keys of one JSON object.

    Args:
        mapping: the JSON object.
        file, prefix: the file and the key of ``mapping``, for messages.
    """

    def __init__(self, mapping: object, file: object, prefix: str = "") -> None:
        if not isinstance(mapping, dict):
            where = prefix.rstrip(".") or "the file"
            raise NanodetError(f"{file}: {where}: must be a JSON object")
        self.mapping, self.file, self.prefix = mapping, file, prefix

    def sub(self, key: str) -> "JsonKeys":
        """Return a reader of the object under ``key``."""
        return JsonKeys(self.get(key, dict), self.file, f"{self.prefix}{key}.")

    def get(self, key: str, kind: type[Value]) -> Value:
        """Return the value under ``key``; ``kind``: int, float, str, bool, list or dict."""
        if key not in self.mapping:
            raise NanodetError(f"{self.file}: {self.prefix}{key}: this key is missing")
        return self._check(self.mapping[key], kind, key)

    def list_of(self, key: str, kind: type[Value]) -> list[Value]:
        """Return the list under ``key``, all of whose values are of ``kind``."""
        values = self.get(key, list)
        return [self._check(value, kind, f"{key}[{i}]") for i, value in enumerate(values)]

    def _check(self, value: Any, kind: type, key: str) -> Any:
        if kind is float and type(value) is int:
            value = float(value) if abs(value) <= sys.float_info.max else value
        elif kind is int and type(value) is float and value.is_integer():
            value = int(value)
        finite = not isinstance(value, float) or math.isfinite(value)
        if type(value) is not kind or not finite:
            expected = _WORDS.get(kind, f"a JSON {kind.__name__}")
            raise NanodetError(f"{self.file}: {self.prefix}{key}: must be {expected}")
        return value


def parse_json(text: str, file: object, what: str) -> Any:
    """Parse a JSON text as strictly as the C++ library does.

    Args:
        text: without numbers beyond floats, incomplete characters, and more than `DEEPEST` levels.
        file, what: name it in messages, such as "this spec".

    Raises:
        NanodetError: the text is invalid.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
        check_expansion(value, file, most=math.inf)
        if _SURROGATE.search(text):  # an incomplete character has no UTF-8: other readers refuse it
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError as error:
        raise NanodetError(f"{file}: {what} is not valid JSON ({error})") from None
    except (RecursionError, NanodetError):
        raise NanodetError(
            f"{file}: {what} is not valid JSON (nested deeper than {DEEPEST})"
        ) from None
    return value


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    """Return a number; refuse one that is too large for a float, such as 1e999."""
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)
