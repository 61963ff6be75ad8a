"""What the header of a picture file tells: the size as stored, and how it is to be turned.

Formats differ in where they keep it: EXIF in JPEG, PNG and WebP, a tag of TIFF's own, boxes that
turn and mirror in AVIF (where EXIF's orientation does not count). Nothing is decoded here.
"""

import struct
from dataclasses import dataclass
from io import BytesIO

ORIENTATION, WIDTH, HEIGHT = 0x0112, 0x0100, 0x0101  # tags of TIFF and EXIF
NO_LENGTH = (0x01, *range(0xD0, 0xD9))  # markers of JPEG that nothing follows
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of JPEG that tell the size
JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class PictureHeader:
    """What the header tells.

    Attributes:
        width, height: in pixels, as stored; 0 where the header does not tell.
        orientation: 1 to 8 as in EXIF; what to do with the stored picture to show it. From 5 on
            the sides are swapped.
    """

    width: int = 0
    height: int = 0
    orientation: int = 1

    @property
    def shown_size(self):
        """(width, height) of the picture when it is turned."""
        sides = (self.width, self.height)
        return sides[::-1] if self.orientation >= 5 else sides


def read_header(file):
    """Return the `PictureHeader` of ``file``, a binary file that can seek; never fails."""
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
            return _avif(file)
    except (struct.error, LookupError, OverflowError, OSError):
        pass  # it ends too early or leads nowhere; decoding will say so
    return PictureHeader()


def pixels_of_jpeg(file):
    """Return where the coded pixels of a JPEG begin, behind all headers and their thumbnails."""
    at = 2
    for marker, body, length in _jpeg_segments(file):
        at = body + length
        if marker == 0xDA:
            break
    return at


def _jpeg_segments(file):
    """Yield (marker, where its body begins, length of the body) up to the first scan."""
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
            orientation = _exif(file.read(length - 6))
    return PictureHeader(width, height, orientation or 1)


def _png(file):
    width = height = 0
    orientation, at = 1, 8
    while True:
        file.seek(at)
        head = file.read(8)
        if head[4:] == b"IEND" or not head[4:].isalpha():
            return PictureHeader(width, height, orientation)
        (length,) = struct.unpack(">I", head[:4])
        if head[4:] == b"IHDR":
            width, height = struct.unpack(">II", file.read(8))
        elif head[4:] == b"eXIf":  # before the pixels or behind them
            orientation = _exif(file.read(length))
        at += 12 + length


def _webp(file):
    size = (0, 0)
    orientation, at = 1, 12
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or not head[:4].strip().isalnum():
            return PictureHeader(*size, orientation)
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
            orientation = _exif(file.read(length))
        at += 8 + length + length % 2


def _tiff(file):
    tags = _tiff_tags(file)
    orientation = tags.get(ORIENTATION, 1)
    size = (tags.get(WIDTH, 0), tags.get(HEIGHT, 0))
    return PictureHeader(*size, orientation if 1 <= orientation <= 8 else 1)


def _exif(block):
    """Return the orientation out of an EXIF block, 1 where it has none.

    Some writers keep JPEG's mark in front of the block in other formats too.
    """
    try:
        orientation = _tiff_tags(BytesIO(block.removeprefix(b"Exif\0\0"))).get(ORIENTATION, 1)
    except struct.error:
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _tiff_tags(file):
    """Return {tag: value} of the whole numbers of a TIFF's first directory, EXIF's too."""
    file.seek(0)
    start = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None:
        return {}
    big = start[2:4] in (b"+\0", b"\0+")
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), start, 8 if big else 4)
    count_form, entry_size, value_at = ("Q", 20, 12) if big else ("H", 12, 8)
    file.seek(at)
    (count,) = struct.unpack(order + count_form, file.read(struct.calcsize(count_form)))
    tags = {}
    entries = file.read(min(count, 4096) * entry_size)
    for start in range(0, len(entries) - entry_size + 1, entry_size):
        tag, kind = struct.unpack_from(order + "HH", entries, start)
        form = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        if form is not None:
            (tags[tag],) = struct.unpack_from(order + form, entries, start + value_at)
    return tags


def _avif(file):
    """Read the boxes of an AVIF's first picture: its size, and how to turn and mirror it."""
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
            turns = body[0] & 3  # of 90 degrees against the clock
        elif kind == b"imir":
            mirror = body[0] & 1  # 0 swaps top and bottom, 1 left and right
    row = {None: (1, 8, 3, 6), 0: (4, 5, 2, 7), 1: (2, 7, 4, 5)}[mirror]
    return PictureHeader(width, height, row[turns])


def _box(file, wanted):
    """Return the body of a file's box of this kind, empty where there is none."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(16)
        size, kind = struct.unpack_from(">I4s", head)
        start = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", head, 8)
            start = 16
        if kind == wanted:
            file.seek(at + start)
            return file.read(size - start if size else -1)
        if size < start:
            return b""
        at += size


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
    """Return the numbers, from 1, of the properties that ``item`` has."""
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
