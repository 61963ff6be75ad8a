"""What steers a terminal is escaped wherever a command writes."""

import re

from nanodet.text.printable import printable

# what progress bars send on a terminal: down and up by lines, back to the start of a line
_MOVES = re.compile(r"\n*(?:\x1b\[A)*")
_REWRITTEN = re.compile(r"(\r?)(.*?)(\r?)", re.DOTALL)


def shown(text: str, terminal: bool) -> str:
    """Return ``text`` with all that steers a terminal as ``\\x1b``, but for ends of lines and tabs.

    Whoever knows where a text of strangers begins and ends uses `printable`, which escapes these,
    too.

    Args:
        text: what is to be written at once.
        terminal: whether it goes to one, where progress bars move.
    """
    start = end = ""
    if terminal:
        if _MOVES.fullmatch(text):
            return text
        start, text, end = _REWRITTEN.fullmatch(text).groups()  # type: ignore[union-attr]  # matches any text
    lines = ("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))
    return start + "\n".join(lines) + end


def traceback_text(error: BaseException) -> str:
    """Return an error of ours as Python writes it, to be shown."""
    import traceback  # rarely needed

    return shown("".join(traceback.format_exception(error)), terminal=False)
