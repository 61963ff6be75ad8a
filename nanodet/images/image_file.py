"""Image files: pixels, the size without decoding, and writing."""

import contextlib
import logging
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import replacing
from nanodet.files.inputs import PICTURE, open_input
from nanodet.images.end import is_cut_off
from nanodet.images.header import PictureHeader, read_header
from nanodet.images.limits import check_pixels
from nanodet.images.opencv_log import quiet
from nanodet.text.printable import printable

# suffixes of the formats that OpenCV 5 reads, used by all folders and readers here, and the same as in
# deploy/cpp/programs/detect/picture_file.cpp
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".mpo", ".png", ".apng", ".bmp", ".dib",
    ".webp", ".avif", ".gif", ".tif", ".tiff", ".jp2", ".j2k", ".j2c", ".jpc", ".ppm", ".pgm",
    ".pbm", ".pnm", ".pam", ".ras", ".sr", ".hdr", ".pic",
)  # fmt: skip
log = logging.getLogger(__name__)
_told: set[int] = set()
UNDO = {**{n: n for n in range(1, 8)}, 6: 8, 8: 6}  # the inverse of each orientation


def read_picture(path: StrPath, orient: bool = True) -> np.ndarray:
    """Return the image at ``path`` as uint8 (H, W, 3) BGR, whatever its depth and channels.

    Args:
        path: a file of any format OpenCV reads; transparency is dropped, more than 8 bits become
            8. If only 8, 10 or 12 of 16 bits are used, as in files of many cameras, they are read as
            that many bits, according to the file (PNG's sBIT, TIFF's MaxSampleValue, PNM's maxval) or
            to its largest value.
        orient: rotate the image as the file states (by EXIF, or in the way of its format); false gives
            the pixels as they are stored.

    Raises:
        NanodetError: missing, empty, truncated or not an image; names the file.
    """
    data = _read(path)
    if is_cut_off(BytesIO(data)):
        raise NanodetError(f"{path}: this image is truncated")
    header = read_header(BytesIO(data))
    check_pixels(header.width or 0, header.height or 0, path)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    if header.white != 255:
        flags |= cv2.IMREAD_ANYDEPTH
    try:
        with quiet():
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        picture = None
    if picture is None or picture.dtype not in (np.uint8, np.uint16):
        raise NanodetError(f"{path}: not an image that OpenCV can read")
    check_pixels(picture.shape[1], picture.shape[0], path)
    if header.white != 255:
        picture = _in_8_bits(path, picture, header.white)
    # OpenCV does not rotate AVIF and some WebP files, and rotates TIFF even if it should not
    if data[:2] in (b"II", b"MM"):
        return picture if orient else turn(picture, UNDO[header.orientation])
    return turn(picture, header.orientation) if orient else picture


def _in_8_bits(path, picture, white):
    """Return uint8 or uint16 values as uint8; see `PictureHeader.white`."""
    largest = int(picture.max())
    if white is None or largest > white:
        # a 16-bit image below a sixteenth of white would look black
        bits = next((bits for bits in (8, 10, 12) if largest < 1 << bits), 16)
        white = (1 << bits) - 1
        if bits < 16 and largest and bits not in _told:
            _told.add(bits)  # once, because a folder may have many such files
            log.warning(
                "%s: 16 bits, but no value above %d: this and its like are read as %d bits "
                "(%d is white)", printable(path), largest, bits, white,
            )  # fmt: skip
    return _levels(white)[picture]


@lru_cache(maxsize=16)
def _levels(white):
    """Return the 8-bit level of each value from 0 to 65535."""
    values = np.minimum(np.arange(65536), white)
    levels = np.rint(values * 255 / white) if white < 255 else values * 256 // (white + 1)
    return levels.astype(np.uint8)


def turn(picture: np.ndarray, orientation: int) -> np.ndarray:
    """Return a stored image (H, W, ...) as an ``orientation`` of 1 to 8 (EXIF) shows it."""
    if orientation in (5, 7):
        picture = cv2.transpose(picture)
    turned = {
        2: lambda: cv2.flip(picture, 1), 3: lambda: cv2.rotate(picture, cv2.ROTATE_180),
        4: lambda: cv2.flip(picture, 0), 6: lambda: cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE),
        7: lambda: cv2.rotate(picture, cv2.ROTATE_180),
        8: lambda: cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE),
    }.get(orientation)  # fmt: skip
    return turned() if turned else picture


def is_picture_name(path: Path) -> bool:
    """Return whether a `Path` has the suffix of an image."""
    return path.suffix.lower() in SUFFIXES


def write_picture(path: StrPath, picture: np.ndarray) -> None:
    """Write uint8 (H, W, 3) BGR to ``path`` in the format of its suffix, completely or not at all.

    Raises:
        NanodetError: the folder cannot be written, or the format cannot store this image.
    """
    path = Path(path)
    try:
        found, data = cv2.imencode(path.suffix, picture)
    except cv2.error:
        found = False
    if not found:
        raise NanodetError(f"{path}: this image cannot be encoded")
    with replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())


def picture_size(path: StrPath) -> tuple[int, int]:
    """Return (width, height) of the image that `read_picture` returns.

    Raises:
        NanodetError: as `read_picture`.
    """
    return picture_header(path).shown_size


def picture_header(path: StrPath) -> PictureHeader:
    """Return the `PictureHeader` of a file: its size as stored, and its orientation.

    Most formats have both in their header, which is about a hundred times faster to read than
    decoding; the others are decoded.

    Raises:
        NanodetError: as `read_picture`.
    """
    with _opened(path) as file:
        header = read_header(file)
    return header if header.width and header.height else _decoded_header(path, header)


def check_picture(path: StrPath) -> PictureHeader:
    """Return the `PictureHeader` of a file whose header and end exist.

    Reads a few kilobytes of JPEG, PNG, WebP and AVIF; the others are decoded.

    Raises:
        NanodetError: as `read_picture`, except for damage between header and end.
    """
    with _opened(path) as file:
        header = read_header(file)
        cut_off = is_cut_off(file)
    if cut_off:
        raise NanodetError(f"{path}: this image is truncated")
    known = header.width and header.height and cut_off is not None
    return header if known else _decoded_header(path, header)


def _decoded_header(path, header):
    """Return ``header`` with the size of the decoded image."""
    height, width = read_picture(path, orient=False).shape[:2]
    return PictureHeader(width, height, header.orientation)


@contextlib.contextmanager
def _opened(path):
    try:
        with open_input(path, PICTURE) as file:
            yield file
    except OSError as error:
        raise NanodetError(f"{path}: cannot read this image ({error.strerror})") from None


def _read(path):
    with _opened(path) as file:
        data = file.read()
    if not data:
        raise NanodetError(f"{path}: this image is an empty file")
    return data
