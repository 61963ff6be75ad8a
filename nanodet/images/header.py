"""Reads the header of an image file: the size as stored, the orientation, and the value of white.

Formats store the orientation differently: EXIF in JPEG, PNG and WebP, a tag in TIFF, boxes that
rotate and mirror in AVIF (where EXIF's orientation does not count). Nothing is decoded here.
"""

import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

from nanodet.images.avif_boxes import avif_size_and_orientation
from nanodet.images.tiff_tags import (
    BITS,
    HEIGHT,
    MAX_SAMPLE,
    ORIENTATION,
    S_MAX_SAMPLE,
    WIDTH,
    exif_orientation,
    tiff_tags,
)

NO_LENGTH = (0x01, *range(0xD0, 0xD9))  # markers of JPEG without a body
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of JPEG that contain the size
JPEG, PNG, JPEG_2000 = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"\xff\x4f\xff\x51"


@dataclass(frozen=True)
class PictureHeader:
    """The contents of an image's header.

    Attributes:
        width, height: in pixels, as stored; 0 if the header does not state it.
        orientation: 1 to 8 as in EXIF; how to rotate the stored image to show it. From 5 on
            the sides are swapped.
        white: the largest value of a sample; ``None`` if it has 16 bits and the file does not state
            how many of them are used.
    """

    width: int = 0
    height: int = 0
    orientation: int = 1
    white: int | None = 255

    @property
    def shown_size(self) -> tuple[int, int]:
        """(width, height) of the rotated image."""
        sides = (self.width, self.height)
        return sides[::-1] if self.orientation >= 5 else sides


def read_header(file: BinaryIO) -> PictureHeader:
    """Return the `PictureHeader` of ``file``, a seekable binary file; never fails."""
    file.seek(0)
    start = file.read(32)
    try:
        if start.startswith(JPEG):
            return _jpeg(file)
        if start.startswith(PNG):
            return _png(file)
        if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
            return _webp(file)
        if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _tiff(file)
        if start[4:8] == b"ftyp":
            return PictureHeader(*avif_size_and_orientation(file))
        if start[:2] in (b"P2", b"P3", b"P5", b"P6", b"P7"):
            return _pnm(file)
        if start[4:8] == b"jP  " or start[:4] == JPEG_2000:
            return _jpeg_2000(file)
    except (struct.error, LookupError, ValueError, AttributeError, OverflowError, OSError):
        pass  # it ends too early or has invalid offsets; decoding will report it
    return PictureHeader()


def pixels_of_jpeg(file: BinaryIO) -> int:
    """Return the start of a JPEG's coded pixels, after all headers and their thumbnails."""
    at = 2
    for marker, body, length in _jpeg_segments(file):
        at = body + length
        if marker == 0xDA:
            break
    return at


def _jpeg_segments(file):
    """Yield (marker, start of its body, length of the body) up to the first scan."""
    at = 2
    while True:
        file.seek(at)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return
        if head[1] == 0xFF:  # a fill byte
            at += 1
            continue
        if head[1] in NO_LENGTH:
            at += 2
            continue
        length = max(int.from_bytes(head[2:], "big") - 2, 0)
        yield head[1], at + 4, length
        if head[1] == 0xDA:
            return
        at += 4 + length


def _jpeg(file):
    width = height = 0
    orientation = None
    for marker, body, length in _jpeg_segments(file):
        file.seek(body)
        if marker in FRAMES:
            height, width = struct.unpack(">HH", file.read(5)[1:])
        elif marker == 0xE1 and orientation is None and file.read(6) == b"Exif\0\0":
            orientation = exif_orientation(file.read(length - 6))
    return PictureHeader(width, height, orientation or 1)


def _png(file):
    width = height = 0
    orientation, at = 1, 8
    white: int | None = 255
    while True:
        file.seek(at)
        head = file.read(8)
        if head[4:] == b"IEND" or not head[4:].isalpha():
            return PictureHeader(width, height, orientation, white)
        (length,) = struct.unpack(">I", head[:4])
        if head[4:] == b"IHDR":
            width, height, bits = struct.unpack(">IIB", file.read(9))
            white = 255 if bits <= 8 else None
        elif head[4:] == b"sBIT" and white is None:
            # values should then be scaled to 16 bits, but some writers do not do that
            white = (1 << min(max(file.read(length)[:3]), 16)) - 1
        elif head[4:] == b"eXIf":  # before or after the pixels
            orientation = exif_orientation(file.read(length))
        at += 12 + length


def _webp(file):
    size: tuple[int, ...] = (0, 0)
    orientation, at = 1, 12
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or not head[:4].strip().isalnum():
            return PictureHeader(size[0], size[1], orientation)
        kind, length = struct.unpack("<4sI", head)
        if kind == b"VP8X":
            body = file.read(10)
            size = tuple(1 + int.from_bytes(body[i : i + 3], "little") for i in (4, 7))
        elif kind == b"VP8 " and size == (0, 0):
            body = file.read(10)
            if body[3:6] == b"\x9d\x01\x2a":
                size = tuple(v & 0x3FFF for v in struct.unpack("<HH", body[6:]))
        elif kind == b"VP8L" and size == (0, 0):
            bits = int.from_bytes(file.read(5)[1:], "little")
            size = (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        elif kind == b"EXIF":
            orientation = exif_orientation(file.read(length))
        at += 8 + length + length % 2


def _tiff(file):
    tags = tiff_tags(file)
    orientation, bits = tags.get(ORIENTATION, 1), tags.get(BITS, 1)
    white: int | None = 255 if bits <= 8 else 65535  # OpenCV scales 10, 12 and 14 packed bits to 16
    if bits == 16:
        most = tags.get(S_MAX_SAMPLE) or tags.get(MAX_SAMPLE)  # of this image, or of all
        white = (1 << int(most).bit_length()) - 1 if most and 1 <= most <= 65535 else None
    size = (tags.get(WIDTH, 0), tags.get(HEIGHT, 0))
    return PictureHeader(*size, orientation if 1 <= orientation <= 8 else 1, white)


def _pnm(file):
    file.seek(0)
    start = re.sub(rb"#[^\n]*", b"", file.read(4096))
    if start.startswith(b"P7"):
        values = dict(re.findall(rb"(WIDTH|HEIGHT|MAXVAL)\s+(\d{1,9})\s", start))
        numbers = [values[key] for key in (b"WIDTH", b"HEIGHT", b"MAXVAL")]
    else:
        (numbers,) = re.findall(rb"\AP\d\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s", start)
    width, height, white = map(int, numbers)
    if white < 255 and start[:2] in (b"P2", b"P3"):
        white = 255  # OpenCV scales these itself
    return PictureHeader(width, height, white=min(max(white, 1), 65535))


def _jpeg_2000(file):
    file.seek(0)
    start = file.read(1 << 14)
    at = start.index(JPEG_2000) + 8
    right, bottom, left, top = struct.unpack_from(">4I", start, at)
    bits = (start[at + 34] & 0x7F) + 1
    # OpenCV scales 9 to 15 bits itself
    return PictureHeader(right - left, bottom - top, white=None if bits == 16 else 255)
