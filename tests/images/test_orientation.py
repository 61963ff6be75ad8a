"""Images that their files turn: every format and all eight orientations, against Pillow."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodet.images.header import PictureHeader, read_header
from nanodet.images.image_file import picture_header, picture_size, read_picture

Image = pytest.importorskip("PIL.Image")
ImageOps = pytest.importorskip("PIL.ImageOps")

STORED = np.zeros((48, 64, 3), np.uint8)  # no turn and no mirror image of it is itself
STORED[:24, :32], STORED[:24, 32:], STORED[24:, :32] = (0, 0, 255), (0, 255, 0), (255, 0, 0)


def exif(orientation, order="<", prefix=b""):
    start = {"<": b"II*\0", ">": b"MM\0*"}[order]
    return prefix + start + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def jpeg(orientation):
    data = cv2.imencode(".jpg", STORED, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    segments = b""
    # 70 kB of another application's data come first
    for body in (
        b"other\0" + bytes(60000),
        b"XMP\0" + bytes(10000),
        exif(orientation, prefix=b"Exif\0\0"),
    ):
        segments += b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    return data[:2] + segments + data[2:]


def png(orientation, behind=False, order="<"):
    data = cv2.imencode(".png", STORED)[1].tobytes()
    body = b"eXIf" + exif(orientation, order)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    at = len(data) - 12 if behind else 33
    return data[:at] + chunk + data[at:]


def webp(orientation, lossless=True, flags=8, **how):
    quality = 101 if lossless else 100
    data = cv2.imencode(".webp", STORED, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
    block = exif(orientation, **how)
    parts = b"WEBP" + b"VP8X" + struct.pack("<II", 10, flags) + b"\x3f\0\0\x2f\0\0"
    parts += data[12:] + b"EXIF" + struct.pack("<I", len(block)) + block
    return b"RIFF" + struct.pack("<I", len(parts)) + parts


def pillow(kind, orientation, **how):
    file, tags = io.BytesIO(), Image.Exif()
    tags[0x0112] = orientation
    Image.fromarray(STORED[..., ::-1]).save(file, kind, exif=tags, **how)
    return file.getvalue()


def tiff(orientation, big=False, deep=False):
    file = io.BytesIO()
    picture = Image.fromarray(STORED[..., 1].astype(np.uint16) * 257 if deep else STORED[..., ::-1])
    picture.save(file, "TIFF", tiffinfo={0x0112: orientation}, big_tiff=big)
    return file.getvalue()


FILES = {
    "jpg": jpeg,
    "png": png,
    "png MM": lambda o: png(o, order=">"),
    "png behind": lambda o: png(o, behind=True),
    "webp": webp,
    "webp MM": lambda o: webp(o, order=">"),
    "webp lossy": lambda o: webp(o, lossless=False),
    "webp as in JPEG": lambda o: webp(o, prefix=b"Exif\0\0"),
    "webp unannounced": lambda o: webp(o, flags=0),
    "webp of Pillow": lambda o: pillow("WEBP", o, lossless=True),
    "tif": tiff,
    "tif big": lambda o: tiff(o, big=True),
    "avif": lambda o: pillow("AVIF", o, quality=100, subsampling="4:4:4"),
}


def same(picture, other):
    """Whether two images show the same, but for what coding changes."""
    return picture.shape == other.shape and np.abs(picture.astype(int) - other).mean() < 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", FILES)
def test_pictures_are_turned_as_their_file_says(tmp_path, kind, orientation):
    path = tmp_path / f"p.{kind.split()[0]}"
    path.write_bytes(FILES[kind](orientation))
    reference = Image.fromarray(STORED[..., ::-1])
    reference.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(reference))[..., ::-1]
    assert same(read_picture(path), expected)
    assert same(read_picture(path, orient=False), STORED)
    assert picture_header(path) == PictureHeader(64, 48, orientation)
    assert picture_size(path) == ((48, 64) if orientation >= 5 else (64, 48))
    if kind not in ("webp as in JPEG", "webp unannounced"):  # else Pillow itself reads the file
        shown = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        assert same(np.asarray(shown)[..., ::-1], expected)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_deep_tiff(tmp_path, orientation):
    (tmp_path / "p.tif").write_bytes(tiff(orientation, deep=True))
    stored = cv2.merge([STORED[..., 1]] * 3)
    assert same(read_picture(tmp_path / "p.tif", orient=False), stored)
    assert picture_size(tmp_path / "p.tif") == read_picture(tmp_path / "p.tif").shape[1::-1]


@pytest.mark.parametrize("value", [0, 9, 65535])
@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path, kind, value):
    (tmp_path / f"p.{kind}").write_bytes(FILES[kind](value))
    assert same(read_picture(tmp_path / f"p.{kind}"), STORED)
    assert picture_size(tmp_path / f"p.{kind}") == (64, 48)


@given(st.sampled_from(sorted(FILES)), st.data())
def test_damaged_headers_never_fail(kind, data):
    damaged = bytearray(FILES[kind](6))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, min(len(damaged), 400) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    header = read_header(io.BytesIO(damaged[: data.draw(st.integers(0, len(damaged)))]))
    assert header.orientation in range(1, 9) and header.width >= 0 and header.height >= 0
