"""Whether an image file ends before its image does, without decoding it.

OpenCV fills what is missing of a JPEG or PNG with grey and says nothing.
"""

import os
from typing import BinaryIO

from nanodet.images.header import JPEG, PNG, pixels_of_jpeg
from nanodet.images.iso_boxes import boxes

TAIL = 1 << 12  # bytes; where nearly all files have their end
END_OF_JPEG, END_OF_PNG = b"\xff\xd9", b"IEND"


def is_cut_off(file: BinaryIO) -> bool | None:
    """Tell whether ``file``, a binary file that can seek, lacks its end.

    None where only decoding tells: for all but JPEG, PNG, WebP and AVIF, which have a mark there or
    say how long they are.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(64)
    if start.startswith(JPEG):
        # searched for behind the headers, because thumbnails there have an end of their own
        return not _holds(file, END_OF_JPEG, pixels_of_jpeg(file), length)
    if start.startswith(PNG):
        return not _holds(file, END_OF_PNG, len(PNG), length)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return 8 + int.from_bytes(start[4:8], "little") > length
    if start[4:8] == b"ftyp" and (b"avif" in start or b"avis" in start):
        return any(box.stop > length for box in boxes(file, 0, length))
    return None


def _holds(file, mark, begin, end):
    """Tell whether ``mark`` occurs in begin..end; looks at the last bytes first."""
    for at in (max(begin, end - TAIL), begin):
        file.seek(at)
        if mark in file.read(max(end - at, 0)):
            return True
    return False
