"""Reads the tags of a TIFF's first directory, and of EXIF, which has the same form."""

import struct
from io import BytesIO
from typing import Any, BinaryIO

# the tags that describe an image
ORIENTATION, WIDTH, HEIGHT, BITS, MAX_SAMPLE, S_MAX_SAMPLE = 274, 256, 257, 258, 281, 341
_NUMBERS = {1: "B", 3: "H", 4: "I", 11: "f", 12: "d", 16: "Q"}  # kinds of values


def exif_orientation(block: bytes) -> int:
    """Return the orientation from an EXIF block, 1 if it has none.

    Some writers put JPEG's marker before the block in other formats, too.
    """
    try:
        orientation = tiff_tags(BytesIO(block.removeprefix(b"Exif\0\0"))).get(ORIENTATION, 1)
    except struct.error:
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def tiff_tags(file: BinaryIO) -> dict[int, Any]:
    """Return {tag: its first value} of a TIFF's first directory; EXIF has the same form."""
    file.seek(0)
    start = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None:
        return {}
    big = start[2:4] in (b"+\0", b"\0+")
    offset_form, count_form = ("Q", "Q") if big else ("I", "H")
    entry_size, value_at = (20, 12) if big else (12, 8)
    (at,) = struct.unpack_from(order + offset_form, start, 8 if big else 4)
    file.seek(at)
    (count,) = struct.unpack(order + count_form, file.read(struct.calcsize(count_form)))
    tags = {}
    entries = file.read(min(count, 4096) * entry_size)
    for begin in range(0, len(entries) - entry_size + 1, entry_size):
        tag, kind = struct.unpack_from(order + "HH", entries, begin)
        (values,) = struct.unpack_from(order + offset_form, entries, begin + 4)
        if kind not in _NUMBERS:
            continue
        size = struct.calcsize(_NUMBERS[kind])
        value = entries[begin + value_at :]
        if values * size > entry_size - value_at:  # they are stored elsewhere
            file.seek(*struct.unpack_from(order + offset_form, value))
            value = file.read(size)
        (tags[tag],) = struct.unpack_from(order + _NUMBERS[kind], value)
    return tags
