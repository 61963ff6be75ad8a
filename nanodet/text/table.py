"""Tables as text for a terminal."""

from collections.abc import Sequence


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Return the lines of a table with aligned columns.

    Args:
        head: names of the columns; rows: a cell for each.
        left: how many of the first columns hold texts, aligned to the left; the others hold numbers.
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join([
            *map(str.ljust, row[:left], widths[:left]), *map(str.rjust, row[left:], widths[left:])
        ]).rstrip()
        for row in (head, *rows)
    ]  # fmt: skip
