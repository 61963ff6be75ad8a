"""Images of more than 8 bits: what white is comes from the file, or else from its values."""

import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest

from nanodet.errors import NanodetError
from nanodet.images import image_file
from nanodet.images.image_file import picture_size, read_picture

LEVELS = np.random.default_rng(0).integers(0, 256, (48, 40, 3), np.uint8)
LEVELS[0, 0] = 255


def stretched(levels, white):
    """Return 8-bit levels as numbers up to ``white``."""
    return np.rint(levels / 255 * white).astype(np.uint16)


def png(values, significant=None):
    data = cv2.imencode(".png", values)[1].tobytes()
    if significant is None:
        return data
    body = b"sBIT" + bytes([significant] * 3)
    chunk = struct.pack(">I", 3) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]


def tiff(values, *tags, bits=16):
    """An uncompressed grey TIFF; ``tags`` are (number, kind, value as 4 bytes)."""
    rows = b""
    for row in values:
        text = "".join(f"{value:0{bits}b}" for value in row)
        rows += int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")
    height, width = values.shape
    plain = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 277: 1, 278: height}
    entries = [(number, 3, struct.pack(">HH", value, 0)) for number, value in plain.items()]
    entries += [(273, 4, struct.pack(">I", 8)), (279, 4, struct.pack(">I", len(rows))), *tags]
    rows += bytes(len(rows) % 2)
    directory = struct.pack(">H", len(entries))
    for number, kind, value in sorted(entries):
        directory += struct.pack(">HHI", number, kind, 1) + value
    return b"MM\0*" + struct.pack(">I", 8 + len(rows)) + rows + directory + bytes(4)


def read(tmp_path, data, name="p.png"):
    (tmp_path / name).write_bytes(data)
    picture = read_picture(tmp_path / name)
    assert picture.dtype == np.uint8
    assert picture_size(tmp_path / name) == picture.shape[1::-1]
    return picture


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize(
    ("suffix", "channels"),
    [
        (".png", 1),
        (".png", 3),
        (".png", 4),
        (".tif", 1),
        (".tif", 3),
        (".tif", 4),
        (".jp2", 1),
        (".jp2", 3),
    ],
)
def test_fewer_bits_are_known_by_their_values(tmp_path, bits, suffix, channels):
    shown = LEVELS if channels > 1 else cv2.merge([LEVELS[..., 1]] * 3)
    values = stretched(LEVELS, (1 << bits) - 1)
    if channels == 1:
        values = values[..., 1]
    if channels == 4:
        values = np.dstack([values, np.full(values.shape[:2], 65535, np.uint16)])
    how = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000] if suffix == ".jp2" else []
    data = cv2.imencode(suffix, values, how)[1].tobytes()
    assert np.array_equal(read(tmp_path, data, f"p{suffix}"), shown)


def test_a_guess_is_told_once_and_files_alone_decide(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(image_file, "_told", set())
    for name in ("a.png", "b.png"):
        assert np.array_equal(read(tmp_path, png(stretched(LEVELS, 4095)), name), LEVELS)
    (line,) = caplog.messages
    assert line == (
        f"{tmp_path}/a.png: 16 bits, but no value above 4095: "
        "this and its like are read as 12 bits (4095 is white)"
    )
    read(tmp_path, png(stretched(LEVELS // 8, 65535)))  # dark, but not black
    read(tmp_path, png(np.zeros((9, 9), np.uint16)))
    read(tmp_path, png(LEVELS))
    assert len(caplog.messages) == 1


def test_dark_pictures_of_all_16_bits_stay_dark(tmp_path):
    dark = LEVELS // 8
    assert np.array_equal(read(tmp_path, png(stretched(dark, 65535))), dark)
    black = np.minimum(LEVELS, 9)  # a guess would take them for 12 bits; the file tells
    assert np.array_equal(read(tmp_path, png(stretched(black, 65535), significant=16)), black)
    values = stretched(black, 65535)[..., 0]
    data = tiff(values, (281, 3, struct.pack(">HH", 65535, 0)))
    assert np.array_equal(read(tmp_path, data, "p.tif")[..., 0], black[..., 0])


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
def test_the_file_tells_its_bits(tmp_path, bits):
    white = (1 << bits) - 1
    dark = LEVELS // 8  # no guess could find 14 bits
    values = stretched(dark, white)
    found = read(tmp_path, png(values, significant=bits))
    assert np.abs(found.astype(int) - dark).max() <= 1
    grey = values[..., 0]
    for tag in ((281, 3, struct.pack(">HH", white, 0)), (341, 11, struct.pack(">f", white))):
        found = read(tmp_path, tiff(grey, tag), "p.tif")[..., 0]
        assert np.abs(found.astype(int) - dark[..., 0]).max() <= 1
    # as PNG's standard has it: significant bits, scaled to 16
    scaled = stretched(stretched(LEVELS, white) / white * 255, 65535)
    found = read(tmp_path, png(scaled, significant=bits)).astype(int)
    assert np.abs(found - LEVELS).max() <= 1


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_bits(tmp_path, bits):
    values = stretched(LEVELS, (1 << bits) - 1)[..., 0]
    assert np.array_equal(read(tmp_path, tiff(values, bits=bits), "p.tif")[..., 0], LEVELS[..., 0])


@pytest.mark.parametrize("white", [15, 100, 255, 1023, 4095, 10000, 65535])
@pytest.mark.parametrize("kind", ["P2", "P5", "P6", "P7"])
def test_white_of_netpbm_files(tmp_path, white, kind):
    levels = LEVELS // 3  # what is not white must not be taken for it
    values = stretched(levels, white)
    grey = values[..., 0]
    form = ">u2" if white > 255 else "u1"
    size = f"{kind}\n# a comment\n40 48\n{white}\n"
    if kind == "P7":
        size = f"P7\nWIDTH 40\nHEIGHT 48\nDEPTH 1\nMAXVAL {white}\nTUPLTYPE GRAYSCALE\nENDHDR\n"
    pixels = (values[..., ::-1] if kind == "P6" else grey).astype(form).tobytes()
    if kind == "P2":
        pixels = " ".join(map(str, grey.ravel())).encode() + b"\n"
    expected = levels if kind == "P6" else cv2.merge([levels[..., 0]] * 3)
    found = read(tmp_path, size.encode() + pixels, "p.pnm")
    assert np.abs(found.astype(int) - expected).max() <= 255 / white / 2 + 1


def test_floats_are_one_line(tmp_path):
    (tmp_path / "p.tif").write_bytes(cv2.imencode(".tif", np.float32(LEVELS / 255))[1].tobytes())
    with pytest.raises(NanodetError, match=r"p\.tif: not an image"):
        read_picture(tmp_path / "p.tif")


def test_the_line_reaches_the_terminal(tmp_path, root):
    (tmp_path / "p.png").write_bytes(png(stretched(LEVELS, 1000)))
    code = (
        "import sys; from nanodet.images.image_file import read_picture; read_picture(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "p.png"], cwd=root, capture_output=True, text=True
    )
    assert done.stderr.count("\n") == 1 and "read as 10 bits" in done.stderr
