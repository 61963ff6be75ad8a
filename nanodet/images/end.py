"""Detects truncated image files without decoding them.

OpenCV silently fills the missing part of a JPEG or PNG with grey.
"""

import os
from typing import BinaryIO

from nanodet.images.header import JPEG, PNG, pixels_of_jpeg
from nanodet.images.iso_boxes import boxes

TAIL = 1 << 12  # bytes; nearly all files have their end there
END_OF_JPEG, END_OF_PNG = b"\xff\xd9", b"IEND"


def is_cut_off(file: BinaryIO) -> bool | None:
    """Return whether ``file``, a seekable binary file, is truncated.

    None if only decoding shows it: for all formats but JPEG, PNG, WebP and AVIF, which have an end
    marker or state their length.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(64)
    if start.startswith(JPEG):
        # searched for after the headers, because thumbnails in them have an end marker, too
        return not _holds(file, END_OF_JPEG, pixels_of_jpeg(file), length)
    if start.startswith(PNG):
        return not _holds(file, END_OF_PNG, len(PNG), length)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return 8 + int.from_bytes(start[4:8], "little") > length
    if start[4:8] == b"ftyp" and (b"avif" in start or b"avis" in start):
        return any(box.stop > length for box in boxes(file, 0, length))
    return None


def _holds(file, mark, begin, end):
    """Return whether ``mark`` occurs in begin..end; checks the last bytes first."""
    for at in (max(begin, end - TAIL), begin):
        file.seek(at)
        if mark in file.read(max(end - at, 0)):
            return True
    return False
