"""Text of strangers on a terminal: names, server and device texts may hold what steers it."""

TYPE_CHECKING = False
if TYPE_CHECKING:  # not needed to start a command
    from typing import TextIO

_STEERING = (
    *(chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))),  # C0, DEL, C1: ESC among them
    *"\u2028\u2029",  # ends of lines
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",  # change the order of what follows
)
_ESCAPES = {ord(c): c.encode("unicode_escape").decode() for c in _STEERING}
_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in _ESCAPES if code > 0x7E}
for _table in (_ESCAPES, _JSON_ESCAPES):  # bytes that are no text
    _table.update((code, f"\\u{code:04x}") for code in range(0xD800, 0xE000))


def printable(text: object) -> str:
    """Return ``text`` as one line that is only shown: what would steer a terminal becomes ``\\x1b``.

    Letters of all scripts and emoji stay as they are.
    """
    return str(text).translate(_ESCAPES)


def say(*lines: object, file: "TextIO | None" = None) -> None:
    """Print lines, each as `printable` has it."""
    print("\n".join(map(printable, lines)), file=file, flush=True)


def json_text(value: object, indent: int | None = None) -> str:
    """Return ``value`` as JSON that can be shown: letters as they are, what steers escaped."""
    import json  # not needed to start a command

    return json.dumps(value, indent=indent, ensure_ascii=False).translate(_JSON_ESCAPES)
