"""Reads the boxes of an AVIF's first image: its size, rotation and mirroring."""

import os
import struct
from typing import BinaryIO

from nanodet.images.iso_boxes import find_box


def avif_size_and_orientation(file: BinaryIO) -> tuple[int, int, int]:
    """Return width, height and orientation (1 to 8, as in EXIF) of a binary file.

    Raises:
        struct.error, LookupError: the boxes end too early or have invalid offsets.
    """
    meta = _boxes(_box(file, b"meta")[4:])
    (primary,) = struct.unpack(*((">H", meta[b"pitm"][4:6]) if meta[b"pitm"][0] == 0
                                 else (">I", meta[b"pitm"][4:8])))  # fmt: skip
    inner = _boxes(meta[b"iprp"])
    properties = list(_each_box(inner[b"ipco"]))
    width = height = turns = 0
    mirror = None
    for index in _associated(inner[b"ipma"], primary):
        kind, body = properties[index - 1]
        if kind == b"ispe":
            width, height = struct.unpack(">II", body[4:12])
        elif kind == b"irot":
            turns = body[0] & 3  # of 90 degrees, counter-clockwise
        elif kind == b"imir":
            mirror = body[0] & 1  # 0 swaps top and bottom, 1 left and right
    row = {None: (1, 8, 3, 6), 0: (4, 5, 2, 7), 1: (2, 7, 4, 5)}[mirror]
    return width, height, row[turns]


def _box(file, wanted):
    """Return the body of a file's box of this kind, empty if there is none."""
    box = find_box(file, 0, file.seek(0, os.SEEK_END), wanted)
    if box is None:
        return b""
    file.seek(box.start)
    return file.read(box.stop - box.start)


def _each_box(body):
    """Yield (kind, body) of the boxes inside a box."""
    at = 0
    while at + 8 <= len(body):
        size, kind = struct.unpack_from(">I4s", body, at)
        if size < 8:
            return
        yield kind, body[at + 8 : at + size]
        at += size


def _boxes(body):
    return dict(_each_box(body))


def _associated(ipma, item):
    """Return the numbers, from 1, of the properties of ``item``."""
    version, flags = ipma[0], ipma[3]
    (entries,) = struct.unpack_from(">I", ipma, 4)
    at = 8
    for _ in range(entries):
        form = ">H" if version == 0 else ">I"
        (number,) = struct.unpack_from(form, ipma, at)
        at += struct.calcsize(form)
        count, at = ipma[at], at + 1
        form, mask = (">H", 0x7FFF) if flags & 1 else (">B", 0x7F)
        found = struct.unpack_from(f">{count}{form[1]}", ipma, at)
        at += count * struct.calcsize(form)
        if number == item:
            return [index & mask for index in found if index & mask]
    return []
