"""Reads a metrics.csv that another program, such as a spreadsheet, may have saved since."""

import codecs
import csv
import math
from collections.abc import Callable

DELIMITERS = ",;\t"
_ENCODINGS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
              (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_WHOLE = ("epoch", "step")


def saved_rows(data: bytes, wanted: Callable[[str], bool]) -> tuple[list[dict[str, str]], bool]:
    """Return the rows of a table.

    Args:
        data: the bytes of the file: UTF-8 or, with a byte order mark, UTF-16; values separated by
            commas, semicolons or tabs, with a decimal comma or point.
        wanted: tells by its name whether a column is read; "epoch" and "step" are whole numbers.

    Returns:
        (list of {column: text as Python writes it} without empty cells, whether that is all that the
        file holds). A truncated last row is left out.

    Raises:
        ValueError: it is not such a table.
    """
    encoding = next((name for mark, name in _ENCODINGS if data.startswith(mark)), "utf-8")
    lines = [line for line in data.decode(encoding).splitlines() if line.strip(' ,;\t"')]
    if not lines:
        return [], True
    delimiter = max(DELIMITERS, key=lines[0].count)
    try:
        names, *table = csv.reader(lines, delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise ValueError(error) from None
    names = [name.strip() for name in names]
    if not set(_WHOLE) <= set(names):
        raise ValueError("no columns called epoch and step")
    if table and len(table[-1]) < len(names):
        table.pop()
    whole = all(map(wanted, filter(None, names)))
    rows = []
    for values in table:
        row = {}
        for name, value in zip(names, values, strict=False):
            if wanted(name) and value.strip():
                row[name] = _number(value, name, comma=delimiter != ",")
        if not all(name in row for name in _WHOLE):
            raise ValueError("a row without epoch or step")
        rows.append(row)
    return rows, whole


def _number(value: str, name: str, comma: bool) -> str:
    number = float(value.replace(",", ".") if comma else value)
    if name not in _WHOLE:
        return repr(number)
    if not math.isfinite(number) or number != int(number):
        raise ValueError(f"{name} {value}")
    return str(int(number))
