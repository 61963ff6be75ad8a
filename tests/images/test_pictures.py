"""Reading image files of every depth, and broken ones."""

import io
import re
import struct
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from nanodet.errors import NanodetError
from nanodet.images.image_file import SUFFIXES, picture_size, read_picture


def textured(height=48, width=64):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def with_orientation(jpeg, value):
    """Put an EXIF block with an orientation behind a JPEG's first two bytes."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif"])
def test_size_is_that_of_the_pixels(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), textured())
    assert picture_size(path) == (64, 48)
    np.testing.assert_array_equal(read_picture(path), cv2.imread(str(path)))


# what OpenCV writes under another name, and what it reads but does not write
WRITTEN_AS = {
    **dict.fromkeys((".jfif", ".jif", ".jfi", ".mpo"), ".jpg"),
    **dict.fromkeys((".j2k", ".j2c", ".jpc"), None),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_is_of_a_format_that_is_read(tmp_path, suffix):
    shown = np.full((60, 80, 3), (255, 0, 0), np.uint8)  # in every palette
    if suffix in (".pgm", ".pbm"):
        shown[:] = 255
    path = tmp_path / f"a{suffix}"
    written_as = WRITTEN_AS.get(suffix, suffix)
    if written_as is None:  # a bare JPEG 2000 codestream
        image = pytest.importorskip("PIL.Image")
        data = io.BytesIO()
        image.fromarray(shown[..., ::-1]).save(data, format="JPEG2000", no_jp2=True)
        path.write_bytes(data.getvalue())
    else:
        colour = shown[..., 0] if suffix in (".pgm", ".pbm") else shown
        path.write_bytes(cv2.imencode(written_as, colour)[1].tobytes())
    assert picture_size(path) == (80, 60)
    np.testing.assert_allclose(read_picture(path), shown, atol=8)


def test_the_cpp_program_knows_the_same_suffixes(root):
    source = (root / "deploy/cpp/programs/detect/picture_file.cpp").read_text()
    listed = re.search(r"known = \{(.*?)\};", source, re.DOTALL)[1]
    assert tuple(re.findall(r'"(.*?)"', listed)) == SUFFIXES


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path, orientation):
    path = tmp_path / "a.jpg"
    jpeg = cv2.imencode(".jpg", textured())[1].tobytes()
    path.write_bytes(with_orientation(jpeg, orientation))
    picture = read_picture(path)
    np.testing.assert_array_equal(picture, cv2.imread(str(path)))
    assert picture_size(path) == (picture.shape[1], picture.shape[0])
    assert picture_size(path) == ((48, 64) if orientation >= 5 else (64, 48))
    assert read_picture(path, orient=False).shape == (48, 64, 3)


def test_other_depths_become_bgr(tmp_path):
    grey = textured()[..., 0]
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    np.testing.assert_array_equal(read_picture(tmp_path / "grey.png")[..., 2], grey)
    alpha = np.dstack([textured(), grey])
    cv2.imwrite(str(tmp_path / "alpha.png"), alpha)
    np.testing.assert_array_equal(read_picture(tmp_path / "alpha.png"), alpha[..., :3])
    deep = textured().astype(np.uint16) * 256
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    np.testing.assert_array_equal(read_picture(tmp_path / "deep.png"), textured())


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.9, 0.999])
def test_truncated(tmp_path, suffix, part):
    data = cv2.imencode(suffix, textured(200, 300))[1].tobytes()
    if suffix == ".jpg":  # a thumbnail with an end of its own must not hide the cut
        data = with_orientation(data, 1)[:-2] + b"\xff\xd9"
        thumbnail = b"\xff\xd8\xff\xd9"
        head = b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
        data = data[:2] + head + data[2:]
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data)
    read_picture(path)
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(NanodetError, match=f"cut{suffix}.*truncated"):
        read_picture(path)


@pytest.mark.parametrize(
    "suffix", [".bmp", ".webp", ".avif", ".gif", ".tif", ".jp2", ".ppm", ".pam", ".ras", ".hdr"]
)
def test_opencv_adds_nothing_to_the_line(tmp_path, capfd, suffix):
    data = cv2.imencode(suffix, textured(200, 300))[1].tobytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: len(data) // 2])
    level = cv2.utils.logging.getLogLevel()

    def read(_):
        with pytest.raises(NanodetError, match=f"cut{suffix}"):
            read_picture(path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(8)))
    assert capfd.readouterr().err == ""
    assert cv2.utils.logging.getLogLevel() == level


def test_not_pictures(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("hello")
    for name, word in (("empty.jpg", "empty"), ("text.jpg", "not an im"), ("gone.jpg", "No such")):
        for function in (read_picture, picture_size):
            with pytest.raises(NanodetError, match=f"{name}.*{word}"):
                function(tmp_path / name)
    with pytest.raises(NanodetError):
        read_picture(tmp_path)
