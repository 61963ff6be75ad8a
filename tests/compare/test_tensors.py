"""Images that stages are compared and calibrated on."""

import cv2
import pytest

from nanodet import NanodetError
from nanodet.compare.tensors import generated_picture, picture_paths
from nanodet.data.reading import Reading

NAMES = ("a/one.png", "b/c/three.JPG", "b/one.png", "two.bmp")


@pytest.fixture
def folder(tmp_path):
    for seed, name in enumerate(NAMES):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), generated_picture(seed, 32, 24))
    (tmp_path / "b" / "notes.txt").write_text("no image")
    (tmp_path / "b" / "._one.png").write_bytes(b"what macOS leaves beside each file")
    return tmp_path


def test_pictures_of_folders_inside_count(folder):
    assert picture_paths(folder) == [folder / name for name in NAMES]


def test_a_list_names_them_with_their_folders(folder):
    (folder / "list.txt").write_text("b/one.png\ntwo\n")
    reading = Reading(list_path=folder / "list.txt")
    assert picture_paths(folder, reading) == [folder / "b/one.png", folder / "two.bmp"]
    (folder / "list.txt").write_text("one.png\n")
    with pytest.raises(NanodetError, match=r"line 1: 'one.png' may be a/one.png or b/one.png"):
        picture_paths(folder, reading)
