"""Texts as HTML: everything from a file is escaped here."""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from nanodet.text.printable import printable

_MARKS = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


@dataclass(frozen=True)
class Cell:
    """A cell of a table that is more than a text.

    Attributes:
        text: in Markdown.
        html: in HTML, by whose text a table is sorted; what comes from a file must be escaped by `escape`.
    """

    text: str
    html: str


def escape(text: object) -> str:
    """Return text as HTML, also inside of an attribute's quotes."""
    return html.escape(printable(text))


def inline(text: str) -> str:
    """Return text as HTML, with its code between backticks and its ``**bold**`` parts."""

    def mark(found: re.Match[str]) -> str:
        code, bold = found.groups()
        return f"<code>{code}</code>" if code else f"<b>{bold}</b>"

    return _MARKS.sub(mark, escape(text))


def literal(text: object) -> Cell:
    """Return text from a file as a cell that shows it as it is, without marks."""
    return Cell(printable(text), escape(text))


def data_uri(data: bytes, kind: str) -> str:
    """Return bytes as the address of an image; ``kind`` is ``png`` or ``jpeg``."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def markdown_cell(cell: str | Cell) -> str:
    """Return a cell of a table in Markdown."""
    return printable(cell.text if isinstance(cell, Cell) else cell).replace("|", "\\|")


def table_row(cells: Sequence[str | Cell], kind: str, left: int) -> str:
    """Return a row of a table: ``kind`` is ``th`` or ``td``; ``left`` columns hold texts."""
    starts = [f"<{kind}>"] * left + [f'<{kind} class="number">'] * (len(cells) - left)
    found = (
        f"{start}{cell.html if isinstance(cell, Cell) else inline(cell)}</{kind}>"
        for start, cell in zip(starts, cells, strict=True)
    )
    return f"<tr>{''.join(found)}</tr>"


@cache
def own_file(name: str) -> str:
    """Return the text of a file of this package."""
    return files("nanodet.pages").joinpath(name).read_text(encoding="utf-8")
