"""CSV files of annotations, whose first line names the columns."""

import csv
from collections.abc import Sequence

from nanodet.data.assemble import read_text
from nanodet.data.formats.head import Head
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import ANNOTATIONS


def table(
    path: StrPath, columns: Sequence[str], reading: Reading
) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a CSV file, each with the number of its line.

    Args:
        path: the file.
        columns: that its first line must have.
        reading: tolerates rows of fewer values, or not.

    Raises:
        NanodetError: it has no such first line, or a row of fewer values.
    """
    lines = read_text(path, ANNOTATIONS).split("\n")
    if not any(line.strip() for line in lines):
        raise NanodetError(f"{path}: this annotation file is empty")
    rows = csv.reader(lines, skipinitialspace=True, delimiter=_separator(lines[0]))
    found: list[tuple[int, dict[str, str]]] = []
    try:
        head = [name.strip().lstrip("#") for name in next(rows)]
        missing = [name for name in columns if name not in head]
        if missing:
            raise NanodetError(
                f"{path}: line 1: no column {missing[0]!r}, the first line names them"
            )
        for values in rows:
            if not values:
                continue
            with reading.tolerating():
                if len(values) < len(head):
                    count = f"{len(values)} values, where {len(head)} are expected"
                    raise NanodetError(f"{path}: line {rows.line_num}: {count}")
                found.append((rows.line_num, dict(zip(head, values, strict=False))))
    except csv.Error as error:
        raise NanodetError(f"{path}: line {rows.line_num}: not valid CSV ({error})") from None
    return found


def has_columns(head: Head, columns: Sequence[str]) -> bool:
    """Return whether the first line of a CSV file names these columns."""
    line = head.text.lstrip("\ufeff").split("\n", 1)[0]
    return set(columns) <= {name.strip(' "#\r') for name in line.split(_separator(line))}


def _separator(line: str) -> str:
    """Return what separates the names of the columns: a comma, or what spreadsheets write instead."""
    return max(",;\t", key=line.count)
