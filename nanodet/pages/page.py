"""A page of headings, text, tables and images, as Markdown and as one HTML file."""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nanodet.text.printable import printable

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
th, td { border-bottom: 1px solid #ddd; padding: .3em .8em; text-align: left }
.number { text-align: right; white-space: nowrap }
img { max-width: 100% }
pre { background: #f4f4f4; padding: .8em; overflow-x: auto }
"""

_MARKS = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


@dataclass
class Page:
    """Blocks in their order; texts may hold ``**bold**`` and code between backticks.

    Args:
        title: of the page.
    """

    title: str
    blocks: list[tuple[str, str]] = field(default_factory=list)  # Markdown, HTML

    def heading(self, text: str) -> None:
        self._add(f"## {text}", f"<h2>{_inline(text)}</h2>")

    def text(self, text: str) -> None:
        self._add(text, f"<p>{_inline(text)}</p>")

    def code(self, text: str) -> None:
        self._add(f"```\n{text}\n```", f"<pre>{html.escape(text)}</pre>")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
        """Add a table whose first columns, ``left`` of them, hold texts, and the others numbers."""
        lines = [head, ["---"] * left + ["---:"] * (len(head) - left), *rows]
        markdown = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
        body = "\n".join(_row(row, "td", left) for row in rows)
        self._add(markdown, f"<table>\n{_row(head, 'th', left)}\n{body}\n</table>")

    def picture(self, path: Path, words: str) -> None:
        """Add a PNG beside the page; ``words`` say what it shows. The HTML contains it."""
        data = base64.b64encode(path.read_bytes()).decode()
        alt = html.escape(words)
        self._add(
            f"![{words}]({path.name})", f'<img alt="{alt}" src="data:image/png;base64,{data}">'
        )

    def markdown(self) -> str:
        """Return the page as Markdown."""
        return "\n\n".join([f"# {self.title}", *(block for block, _ in self.blocks)]) + "\n"

    def html(self) -> str:
        """Return the page as one HTML file, without anything outside it."""
        title = html.escape(self.title)
        return "\n".join([
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>",
            *(block for _, block in self.blocks),
            "</body>\n</html>\n",
        ])  # fmt: skip

    def _add(self, markdown: str, in_html: str) -> None:
        self.blocks.append((markdown, in_html))


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|")


def _row(cells: Sequence[str], kind: str, left: int) -> str:
    starts = [f"<{kind}>"] * left + [f'<{kind} class="number">'] * (len(cells) - left)
    found = (f"{start}{_inline(cell)}</{kind}>" for start, cell in zip(starts, cells, strict=True))
    return f"<tr>{''.join(found)}</tr>"


def _inline(text: str) -> str:
    """Return text as HTML, with its code and bold parts."""

    def mark(found: re.Match[str]) -> str:
        code, bold = found.groups()
        return f"<code>{code}</code>" if code else f"<b>{bold}</b>"

    return _MARKS.sub(mark, html.escape(printable(text)))
