"""Reads the boxes of MP4, QuickTime and AVIF files: a size, four letters, and the contents."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

LIMIT = 1_000_000  # boxes on one level; more are ignored


class Box(NamedTuple):
    """The position of a box in a file: ``start`` and ``stop`` of its contents; ``at`` of its size."""

    kind: bytes
    at: int
    start: int
    stop: int


def boxes(file: BinaryIO, start: int, stop: int) -> Iterator[Box]:
    """Yield each `Box` between two positions of a binary file; the last may end after ``stop``."""
    at = start
    for _ in range(LIMIT):
        if at + 8 > stop or at >> 62:
            return
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        body = at + 8
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
            body = at + 16
        elif size == 0:  # the rest of the file
            size = stop - at
        if at + size < body:
            return
        yield Box(kind, at, body, at + size)
        at += size


def find_box(file: BinaryIO, start: int, stop: int, *kinds: bytes) -> Box | None:
    """Return the first `Box` of ``kinds[0]``, in it the first of ``kinds[1]``, ...; None if there is none."""
    for box in boxes(file, start, stop):
        if box.kind == kinds[0]:
            return find_box(file, box.start, box.stop, *kinds[1:]) if kinds[1:] else box
    return None
