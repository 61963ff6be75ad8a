"""All images of a set are looked at before the first is needed; bad ones are named together."""

import cv2
import numpy as np
import pytest
from turned_pictures import annotate, write_turned

from nanodet.data.check_images import BadPictures, read_headers
from nanodet.data.read import read_annotations
from nanodet.errors import NanodetError
from nanodet.images.image_file import check_picture, picture_header, read_picture

SUFFIXES = (".jpg", ".png", ".webp", ".avif", ".bmp", ".tif", ".ppm", ".jp2", ".gif")


def encoded(suffix):
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (48, 64, 3), np.uint8), (0, 0), 2)
    return cv2.imencode(suffix, picture)[1].tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_can_be_decoded_passes_and_what_is_cut_off_does_not(tmp_path, suffix):
    data, path = encoded(suffix), tmp_path / f"a{suffix}"
    path.write_bytes(data)
    assert check_picture(path) == picture_header(path)
    for part in (0.999, 0.9, 0.5, 0.1, 0.01):
        path.write_bytes(data[: int(part * len(data))])
        try:
            read_picture(path)
        except NanodetError as error:
            with pytest.raises(NanodetError) as caught:
                check_picture(path)
            if part < 0.1:
                assert str(caught.value) == str(error)
        else:
            assert suffix in (".gif", ".jp2", ".tif", ".ppm", ".bmp"), part  # OpenCV fills them up
            check_picture(path)


def test_the_end_of_a_thumbnail_is_not_that_of_the_picture(tmp_path):
    data, path = encoded(".jpg"), tmp_path / "a.jpg"
    thumbnail = b"\xff\xe1\x00\x0aExif\0\0\xff\xd9"
    path.write_bytes(data[:2] + thumbnail + data[2:])
    check_picture(path)
    path.write_bytes(data[:2] + thumbnail + data[2 : len(data) // 2])
    with pytest.raises(NanodetError, match="truncated"):
        check_picture(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_what_follows_the_end_does_no_harm(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoded(suffix) + bytes(100_000))  # a phone's video behind its image
    check_picture(path)


def test_headers_come_in_order_and_errors_as_values(tmp_path):
    paths = []
    for n in range(300):
        paths.append(tmp_path / f"{n}.png")
        cv2.imwrite(str(paths[-1]), np.zeros((3, n + 1, 3), np.uint8))
    paths[100].write_text("no image")
    headers = read_headers(paths)
    assert isinstance(headers[100], NanodetError)
    widths = [h.width for n, h in enumerate(headers) if n != 100]
    assert widths == [n + 1 for n in range(300) if n != 100]


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo"])
def test_bad_pictures_are_listed_together(tmp_path, kind):
    (tmp_path / "images").mkdir()
    names = [f"{n}.jpg" for n in range(9)]
    for name in names:
        write_turned(tmp_path / "images" / name, 1)
    ann = annotate(tmp_path, kind, dict.fromkeys(names, True))
    for n, damage in enumerate((b"", b"<html>", encoded(".jpg")[:300], encoded(".png")[:99])):
        (tmp_path / "images" / f"{2 * n}.jpg").write_bytes(damage)
    write_turned(tmp_path / "images" / "7.jpg", 1, (32, 24))  # another size than annotated
    with pytest.raises(BadPictures) as caught:
        read_annotations(kind, tmp_path / "images", ann, class_names=["box"])
    text = str(caught.value)
    words = ["0.jpg", "empty", "2.jpg", "not an image", "4.jpg", "6.jpg", "truncated"]
    if kind != "yolo":  # whose boxes are parts of the image, of whatever size
        words += ["7.jpg", "32 x 24 pixels, its annotation says 64 x 48"]
    for word in words:
        assert word in text
    assert "\n" not in text
    assert text.startswith(f"{4 if kind == 'yolo' else 5} images cannot be used")
    assert "1.jpg" not in text


def test_many_bad_pictures_are_counted():
    error = BadPictures([f"{n}.jpg: this image is truncated" for n in range(12)])
    assert str(error).startswith("12 images cannot be used: 0.jpg: ")
    assert "4.jpg" in str(error) and "5.jpg" not in str(error)
    assert "; and 7 more; replace these files, correct" in str(error)
