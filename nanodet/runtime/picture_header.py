"""What the header of a picture file tells: the size as stored, how to turn it, which value is white.

Formats differ in where they keep it: EXIF in JPEG, PNG and WebP, a tag of TIFF's own, boxes that
turn and mirror in AVIF (where EXIF's orientation does not count). Nothing is decoded here.
"""

import re
import struct
from dataclasses import dataclass
from io import BytesIO

# tags of TIFF, the first of EXIF too
ORIENTATION, WIDTH, HEIGHT, BITS, MAX_SAMPLE, S_MAX_SAMPLE = 274, 256, 257, 258, 281, 341
NUMBERS = {1: "B", 3: "H", 4: "I", 11: "f", 12: "d", 16: "Q"}  # kinds of TIFF's values
NO_LENGTH = (0x01, *range(0xD0, 0xD9))  # markers of JPEG that nothing follows
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of JPEG that tell the size
JPEG, PNG, JPEG_2000 = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"\xff\x4f\xff\x51"


@dataclass(frozen=True)
class PictureHeader:
    """What the header tells.

    Attributes:
        width, height: in pixels, as stored; 0 where the header does not tell.
        orientation: 1 to 8 as in EXIF; what to do with the stored picture to show it. From 5 on
            the sides are swapped.
        white: the largest value that a sample can have; ``None`` where it has 16 bits and the file
            does not tell how many of them are used.
    """

    width: int = 0
    height: int = 0
    orientation: int = 1
    white: int | None = 255

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
        if start[:2] in (b"P2", b"P3", b"P5", b"P6", b"P7"):
            return _pnm(file)
        if start[4:8] == b"jP  " or start[:4] == JPEG_2000:
            return _jpeg_2000(file)
    except (struct.error, LookupError, ValueError, AttributeError, OverflowError, OSError):
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
    orientation, white, at = 1, 255, 8
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
            # values should then be scaled to 16 bits, but some writers leave them as they are
            white = (1 << min(max(file.read(length)[:3]), 16)) - 1
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
    orientation, bits = tags.get(ORIENTATION, 1), tags.get(BITS, 1)
    white = 255 if bits <= 8 else 65535  # OpenCV scales 10, 12 and 14 packed bits to 16
    if bits == 16:
        told = tags.get(S_MAX_SAMPLE) or tags.get(MAX_SAMPLE)  # this picture's maximum, or of all
        white = (1 << int(told).bit_length()) - 1 if told and 1 <= told <= 65535 else None
    size = (tags.get(WIDTH, 0), tags.get(HEIGHT, 0))
    return PictureHeader(*size, orientation if 1 <= orientation <= 8 else 1, white)


def _pnm(file):
    file.seek(0)
    start = re.sub(rb"#[^\n]*", b"", file.read(4096))
    if start.startswith(b"P7"):
        told = dict(re.findall(rb"(WIDTH|HEIGHT|MAXVAL)\s+(\d{1,9})\s", start))
        numbers = [told[key] for key in (b"WIDTH", b"HEIGHT", b"MAXVAL")]
    else:
        numbers = re.match(rb"P\d\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s", start).groups()
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
    for start in range(0, len(entries) - entry_size + 1, entry_size):
        tag, kind = struct.unpack_from(order + "HH", entries, start)
        (values,) = struct.unpack_from(order + offset_form, entries, start + 4)
        if kind not in NUMBERS:
            continue
        size = struct.calcsize(NUMBERS[kind])
        value = entries[start + value_at :]
        if values * size > entry_size - value_at:  # they do not fit in here
            file.seek(*struct.unpack_from(order + offset_form, value))
            value = file.read(size)
        (tags[tag],) = struct.unpack_from(order + NUMBERS[kind], value)
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
