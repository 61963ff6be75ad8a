"""Picture files: pixels, the size without decoding, and writing."""

import struct
from pathlib import Path

import cv2
import numpy as np

from nanodet.errors import NanodetError
from nanodet.runtime.files import replacing

# what OpenCV 5 reads, by the names such files go by; the list of every folder and reader here,
# and of deploy/cpp/programs/detect/picture_file.cpp
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".mpo", ".png", ".apng", ".bmp", ".dib",
    ".webp", ".avif", ".gif", ".tif", ".tiff", ".jp2", ".j2k", ".j2c", ".jpc", ".ppm", ".pgm",
    ".pbm", ".pnm", ".pam", ".ras", ".sr", ".hdr", ".pic",
)  # fmt: skip
HEADER_BYTES = 1 << 16  # what nearly all headers fit in


def read_picture(path, orient=True):
    """Return the picture at ``path`` as uint8 (H, W, 3) BGR, whatever its depth and channels.

    Args:
        path: a file of any format OpenCV reads; transparency is dropped, 16 bits become 8.
        orient: turn the picture as its EXIF orientation says.

    Raises:
        NanodetError: missing, empty, truncated or not a picture; names the file.
    """
    data = _read(path)
    if _is_cut_off(data):
        raise NanodetError(f"{path}: this picture is truncated")
    flags = cv2.IMREAD_COLOR if orient else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        picture = None
    if picture is None:
        raise NanodetError(f"{path}: not a picture that OpenCV can read")
    return picture


def write_picture(path, picture):
    """Write uint8 (H, W, 3) BGR to ``path`` in the format of its suffix, whole or not at all.

    Raises:
        NanodetError: the folder cannot be written, or the format not hold this picture.
    """
    path = Path(path)
    try:
        found, data = cv2.imencode(path.suffix, picture)
    except cv2.error:
        found = False
    if not found:
        raise NanodetError(f"{path}: this picture cannot be encoded")
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def picture_size(path):
    """Return (width, height) as `read_picture` would give them.

    JPEG and PNG tell it in their header, which is some hundred times faster than decoding.

    Raises:
        NanodetError: as `read_picture`.
    """
    data = _read(path, HEADER_BYTES)
    if data[:2] == b"\xff\xd8":
        width, height, turned, _ = _scan_jpeg(data)
        if width and height:
            return (height, width) if turned else (width, height)
    elif data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and b"eXIf" not in data:
        return struct.unpack(">II", data[16:24])
    height, width = read_picture(path).shape[:2]
    return width, height


def _read(path, limit=-1):
    try:
        with open(path, "rb") as file:
            data = file.read(limit)
    except OSError as error:
        raise NanodetError(f"{path}: cannot read this picture ({error.strerror})") from None
    except ValueError as error:  # NUL in the name
        raise NanodetError(f"{path}: cannot read this picture ({error})") from None
    if not data:
        raise NanodetError(f"{path}: this picture is an empty file")
    return data


def _is_cut_off(data):
    """Tell whether a JPEG or PNG lacks its end; OpenCV would fill the rest with grey."""
    if data[:2] == b"\xff\xd8":
        # searched for behind the headers, because thumbnails there have an end of their own
        return data.rfind(b"\xff\xd9", _scan_jpeg(data)[3]) < 0
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return data.rfind(b"IEND") < 0
    return False


def _scan_jpeg(data):
    """Return (width, height, turned, where the pixels start) from a JPEG's segments.

    ``turned`` is true when the EXIF orientation swaps the sides. Width and height are 0 when
    the header ends before it names them.
    """
    width = height = 0
    turned = False
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = at + 4
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and body + 5 <= len(data):
            height, width = struct.unpack(">HH", data[body + 1 : body + 5])
        elif marker == 0xE1 and data[body : body + 6] == b"Exif\0\0":
            turned = _exif_orientation(data[body + 6 : at + 2 + length]) >= 5
        at += 2 + length
        if marker == 0xDA:
            break
    return width, height, turned, at


def _exif_orientation(tiff):
    """Return the orientation 1..8 out of an EXIF block, 1 where it has none."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for n in range(count):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, start + 2 + 12 * n)
            if tag == 0x0112:
                return value
    except struct.error:
        pass
    return 1
