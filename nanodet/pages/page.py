"""A page of headings, text, tables and images, as Markdown and as one HTML file."""

import base64
import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nanodet.pages.markup import (
    Cell,
    data_uri,
    escape,
    inline,
    markdown_cell,
    own_file,
    table_row,
)

LONG = 20  # rows of a sortable table


@dataclass
class Page:
    """Blocks in their order; texts may hold ``**bold**`` and code between backticks.

    In a table, `nanodet.pages.markup.literal` shows a name from a file as it is. The HTML loads nothing, and
    its policy forbids it: the images, the style and the script are in the file.

    Args:
        title: of the page.
        lead: a line below the title.
        contents: whether links to the headings follow it.
    """

    title: str
    lead: str = ""
    contents: bool = False
    blocks: list[tuple[str, str]] = field(default_factory=list)  # Markdown, HTML
    headings: list[str] = field(default_factory=list)
    moves: bool = False  # whether there is anything that needs the script

    def heading(self, text: str) -> None:
        self.headings.append(text)
        number = len(self.headings)
        self.add(f"## {text}", f'<h2 id="part-{number}">{inline(text)}</h2>')

    def subheading(self, text: str) -> None:
        self.add(f"### {text}", f"<h3>{inline(text)}</h3>")

    def text(self, text: str) -> None:
        self.add(text, f"<p>{inline(text)}</p>")

    def note(self, text: str) -> None:
        """Add a text that explains what is beside it."""
        self.add(text, f'<p class="note">{inline(text)}</p>')

    def code(self, text: str) -> None:
        self.add(f"```\n{text}\n```", f'<pre tabindex="0">{escape_lines(text)}</pre>')

    def cards(self, cards: Sequence[tuple[str, str, str]]) -> None:
        """Add the figures that matter most: (what it is, the figure, a remark), all texts."""
        lines = "\n".join(f"- {name}: **{value}** {more}".rstrip() for name, value, more in cards)
        found = "".join(
            f"<div><dt>{inline(name)}</dt><dd><strong>{inline(value)}</strong>"
            f"<small>{inline(more)}</small></dd></div>"
            for name, value, more in cards
        )
        self.add(lines, f'<dl class="cards">{found}</dl>')

    def table(
        self,
        head: Sequence[str],
        rows: Sequence[Sequence[str | Cell]],
        left: int = 1,
        sortable: bool = False,
    ) -> None:
        """Add a table whose first columns, ``left`` of them, hold texts, and the others numbers.

        Args:
            head: names of the columns; rows: their cells.
            left: how many columns hold texts.
            sortable: whether a click on a name sorts by its column.
        """
        self.moves |= sortable
        lines = [head, ["---"] * left + ["---:"] * (len(head) - left), *rows]
        markdown = "\n".join(f"| {' | '.join(map(markdown_cell, line))} |" for line in lines)
        body = "\n".join(table_row(row, "td", left) for row in rows)
        start = '<table class="sortable">' if sortable else "<table>"
        top = f"<thead>{table_row(head, 'th', left)}</thead>"
        # a long table scrolls in its own box; the keyboard reaches that
        box = (
            ' class="scroll tall" tabindex="0"'
            if len(rows) > LONG and sortable
            else ' class="scroll"'
        )
        self.add(markdown, f"<div{box}>{start}\n{top}\n<tbody>\n{body}\n</tbody></table></div>")

    def picture(self, path: Path, words: str) -> None:
        """Add a PNG or JPEG beside the page; ``words`` say what it shows. The HTML contains it."""
        kind = "jpeg" if path.suffix == ".jpg" else "png"
        image = f'<img alt="{escape(words)}" src="{data_uri(path.read_bytes(), kind)}">'
        self.add(f"![{words}]({path.name})", image)

    def drawing(self, svg: str, words: str) -> None:
        """Add a drawing of `nanodet.pages.charts`; ``words`` say what it shows."""
        figure = f'<figure>{svg}<figcaption class="note">{inline(words)}</figcaption></figure>'
        self.add(f"({words})", figure)

    def choice(self, label: str, panels: Mapping[str, "Page"]) -> None:
        """Add pages of which one is shown, chosen from a list.

        Args:
            label: of the list.
            panels: name to a `Page`, whose title and lead are not shown.
        """
        self.moves = True
        options = "".join(f"<option>{escape(name)}</option>" for name in panels)
        inner = "".join(
            f'<div class="panel"{" hidden" * (number > 0)}>{page.body()}</div>'
            for number, page in enumerate(panels.values())
        )
        markdown = "\n\n".join(
            f"**{name}**\n\n{page.markdown_body()}" for name, page in panels.items()
        )
        self.add(
            markdown,
            f'<div class="choice"><label>{inline(label)} <select>{options}</select></label>{inner}</div>',
        )

    @contextlib.contextmanager
    def folded(self, summary: str) -> Iterator[None]:
        """Hide what is added inside until ``summary`` is clicked."""
        before, self.blocks = self.blocks, []
        yield
        inside, self.blocks = self.blocks, before
        markdown = "\n\n".join([f"**{summary}**", *(block for block, _ in inside if block)])
        inner = "\n".join(block for _, block in inside)
        self.add(markdown, f"<details><summary>{inline(summary)}</summary>\n{inner}\n</details>")

    def add(self, markdown: str, in_html: str, moves: bool = False) -> None:
        """Add a block in both forms.

        Args:
            markdown: empty if it has none.
            in_html: with everything from files escaped.
            moves: whether it needs the script, ``page.js``.
        """
        self.moves |= moves
        self.blocks.append((markdown, in_html))

    def body(self) -> str:
        """Return the blocks as HTML."""
        return "\n".join(block for _, block in self.blocks)

    def markdown_body(self) -> str:
        """Return the blocks as Markdown."""
        return "\n\n".join(block for block, _ in self.blocks if block)

    def markdown(self) -> str:
        """Return the page as Markdown."""
        start = [f"# {self.title}", *([self.lead] if self.lead else [])]
        return "\n\n".join([*start, self.markdown_body()]) + "\n"

    def html(self) -> str:
        """Return the page as one HTML file, without anything outside it."""
        script = own_file("page.js") if self.moves else ""
        # only this script may run, even if a text of a file got into the page unescaped
        allowed = hashlib.sha256(script.encode()).digest()
        code = f"'sha256-{base64.b64encode(allowed).decode()}'" if script else "'none'"
        policy = (
            f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {code}; "
            "base-uri 'none'; form-action 'none'"
        )
        links = "".join(
            f'<a href="#part-{number}">{inline(text)}</a>'
            for number, text in enumerate(self.headings, 1)
        )
        return "\n".join([
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(self.title)}</title>\n<style>\n{own_file('page.css')}</style>\n</head>",
            f"<body>\n<header><h1>{escape(self.title)}</h1>",
            *([f'<p class="lead">{inline(self.lead)}</p>'] if self.lead else []),
            *([f'<nav aria-label="Contents">{links}</nav>'] if self.contents else []),
            f"</header>\n<main>\n{self.body()}\n</main>",
            *([f"<script>{script}</script>"] if script else []),
            "</body>\n</html>\n",
        ])  # fmt: skip


def escape_lines(text: str) -> str:
    """Return a text of several lines as HTML."""
    return "\n".join(map(escape, text.split("\n")))
