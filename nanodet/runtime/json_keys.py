"""Reading the keys of a JSON object; every complaint names the file and the key."""

import math

from nanodet.errors import NanodetError

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


class JsonKeys:
    """Reads keys of one JSON object.

    Args:
        mapping: what the JSON holds.
        file, prefix: name the file and the key that ``mapping`` lies under in messages.
    """

    def __init__(self, mapping, file, prefix=""):
        if not isinstance(mapping, dict):
            where = prefix.rstrip(".") or "the file"
            raise NanodetError(f"{file}: {where}: must be a JSON object")
        self.mapping, self.file, self.prefix = mapping, file, prefix

    def sub(self, key):
        """Return a reader of the object under ``key``."""
        return JsonKeys(self.get(key, dict), self.file, f"{self.prefix}{key}.")

    def get(self, key, kind):
        """Return the value under ``key``; ``kind``: int, float, str, bool, list or dict."""
        if key not in self.mapping:
            raise NanodetError(f"{self.file}: {self.prefix}{key}: this key is missing")
        return self._check(self.mapping[key], kind, key)

    def list_of(self, key, kind):
        """Return the list under ``key``, all of whose values are of ``kind``."""
        values = self.get(key, list)
        return [self._check(value, kind, f"{key}[{i}]") for i, value in enumerate(values)]

    def _check(self, value, kind, key):
        # JSON has one kind of number: 1 and 1.0 are the same
        if kind is float and type(value) is int:
            value = float(value) if abs(value) < 1e30 else value
        elif kind is int and type(value) is float and value.is_integer():
            value = int(value)
        finite = not isinstance(value, float) or math.isfinite(value)
        if type(value) is not kind or not finite:
            expected = _WORDS.get(kind, f"a JSON {kind.__name__}")
            raise NanodetError(f"{self.file}: {self.prefix}{key}: must be {expected}")
        return value
