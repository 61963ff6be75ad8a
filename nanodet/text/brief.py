"""Formats values of a user's files for messages, briefly however large they are."""

import datetime
import reprlib

LONGEST = 200  # characters


def brief(value: object) -> str:
    """Return ``repr(value)``, shortened to `LONGEST` characters without creating the whole text.

    Nested references to lists, as in YAML aliases, are small in memory and endless as text.
    """
    text = _REPR.repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def brief_text(value: object) -> str:
    """Return ``str(value)`` shortened like `brief`, for values that need no quotes."""
    if not isinstance(value, str):
        return brief(value)
    return value if len(value) <= LONGEST else f"{value[:LONGEST]}..."


class _Repr(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxlist, self.maxtuple, self.maxdict = 4, 12, 12, 8
        self.maxstring, self.maxlong = 160, 60

    def repr_int(self, value: int, level: int) -> str:
        if value.bit_length() > 1000:  # Python refuses to write numbers of thousands of digits
            return f"a number of some {int(value.bit_length() * 0.30103) + 1} digits"
        return super().repr_int(value, level)

    def repr_instance(self, value: object, level: int) -> str:
        if isinstance(value, dict):
            return self.repr_dict(value, level)
        if isinstance(value, bytes):
            return self.repr_str(value, level)  # type: ignore[arg-type] # works for both
        if value is None or isinstance(value, (bool, int, float, datetime.date)):
            return repr(value)
        return f"<{type(value).__name__}>"  # its repr may be of any length


_REPR = _Repr()
