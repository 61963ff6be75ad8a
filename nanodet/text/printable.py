"""Escapes untrusted text for a terminal: names and texts of servers may contain control sequences."""

TYPE_CHECKING = False
if TYPE_CHECKING:  # not needed to start a command
    from typing import TextIO

_CONTROLS = (
    *(chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))),  # C0, DEL, C1: ESC among them
    *"\u2028\u2029",  # ends of lines
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",  # change the direction of text
)
_ESCAPES = {ord(c): c.encode("unicode_escape").decode() for c in _CONTROLS}
_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in _ESCAPES if code > 0x7E}
for _table in (_ESCAPES, _JSON_ESCAPES):  # bytes that are not text
    _table.update((code, f"\\u{code:04x}") for code in range(0xD800, 0xE000))


def printable(text: object) -> str:
    """Return ``text`` as one line that is safe to print: control characters become escapes (``\\x1b``).

    Letters of all scripts and emoji are unchanged.
    """
    return str(text).translate(_ESCAPES)


def say(*lines: object, file: "TextIO | None" = None) -> None:
    """Print lines, each escaped by `printable`."""
    print("\n".join(map(printable, lines)), file=file, flush=True)


def json_text(value: object, indent: int | None = None) -> str:
    """Return ``value`` as JSON that is safe to print: letters unchanged, control characters escaped."""
    import json  # not needed to start a command

    return json.dumps(value, indent=indent, ensure_ascii=False).translate(_JSON_ESCAPES)
