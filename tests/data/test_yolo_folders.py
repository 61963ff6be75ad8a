"""Folders of YOLO files as they come: links, hidden copies, other cases, lists of names far away."""

import os
import unicodedata

import cv2
import numpy as np
import pytest

from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError

PNG = cv2.imencode(".png", np.zeros((30, 40, 3), np.uint8))[1].tobytes()


def put(path, content=PNG):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def folder(tmp_path):
    """Three images, of class 0, 1 and 1."""
    for n, name in enumerate(("a", "b", "c")):
        put(tmp_path / "images" / f"{name}.png")
        put(tmp_path / "labels" / f"{name}.txt", f"{min(n, 1)} 0.5 0.5 0.2 0.2\n")
    return tmp_path


def read(folder, images="images", labels="labels", **more):
    return read_annotations("yolo", folder / images, folder / labels, **more)


def labels(found):
    return [[found.class_names[n] for n in p.labels] for p in found.pictures]


def test_links_are_followed_and_lead_to_no_other_names(folder):
    put(folder / "data.yaml", "names: [disc, square]\n")
    (folder / "elsewhere" / "x").mkdir(parents=True)
    (folder / "labels").rename(folder / "elsewhere" / "x" / "labels")
    (folder / "labels").symlink_to(folder / "elsewhere" / "x" / "labels")
    (folder / "store").mkdir()
    for name in ("b.png", "c.png"):
        (folder / "images" / name).rename(folder / "store" / name)
    (folder / "images" / "more").symlink_to(folder / "store")
    put(folder / "labels" / "more" / "b.txt", "1 0.5 0.5 0.2 0.2\n")
    put(folder / "labels" / "more" / "c.txt", "1 0.5 0.5 0.2 0.2\n")
    (folder / "store" / "up").symlink_to(folder / "images")  # a circle
    found = read(folder, class_names=["square", "disc"])
    assert labels(found) == [["disc"], ["square"], ["square"]]


def test_names_three_folders_above(folder):
    put(folder / "data.yaml", "names: {'0': disc, '1': square}\n")
    for part in ("images", "labels"):
        (folder / part).rename(folder / "moved")
        (folder / part / "val").mkdir(parents=True)
        (folder / "moved").rename(folder / part / "val" / "camera")
    found = read(folder, "images/val/camera", "labels/val/camera", class_names=["square", "disc"])
    assert labels(found) == [["disc"], ["square"], ["square"]]


def test_hidden_copies_and_what_is_no_file_are_left_alone(folder):
    put(folder / "images" / ".ipynb_checkpoints" / "a-checkpoint.png")
    put(folder / "images" / "__MACOSX" / "._a.png", b"attributes")
    (folder / "images" / "old.png").mkdir()
    os.mkfifo(folder / "images" / "pipe.png")
    found = read(folder, class_names=["x", "y"])
    assert [p.path.name for p in found.pictures] == ["a.png", "b.png", "c.png"]
    assert found.counts.without_labels == 0


def test_a_pipe_in_place_of_labels_is_told(folder):
    (folder / "labels" / "a.txt").unlink()
    os.mkfifo(folder / "labels" / "a.txt")
    with pytest.raises(NanodetError, match=r"labels/a\.txt: cannot read .*a device or a pipe"):
        read(folder, class_names=["x", "y"])


def test_a_link_to_nothing_is_told(folder):
    (folder / "images" / "d.png").symlink_to(folder / "gone.png")
    with pytest.raises(NanodetError, match=r"d\.png"):
        read(folder, class_names=["x", "y"])


def test_suffixes_and_accents_of_other_systems(folder):
    (folder / "labels" / "a.txt").rename(folder / "labels" / "a.TXT")
    put(folder / "images" / unicodedata.normalize("NFC", "é.png"))
    put(folder / "labels" / unicodedata.normalize("NFD", "é.txt"), "0 0.5 0.5 0.2 0.2\n")
    found = read(folder, class_names=["x", "y"])
    assert found.counts.without_labels == found.counts.without_picture == 0
    assert sum(len(p.boxes) for p in found.pictures) == 4


def test_one_label_file_of_two_pictures_is_told_and_a_list_chooses(folder):
    put(
        folder / "images" / "a.jpg",
        cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8))[1].tobytes(),
    )
    found = read(folder, class_names=["x", "y"])
    (line,) = [note for note in found.notes if "is the label file of" in note]
    assert "a.jpg and of a.png" in line and line.endswith("so its boxes count in both")
    (folder / "list.txt").write_text("a.png\nb.png\n")
    found = read(folder, class_names=["x", "y"], list_path=folder / "list.txt")
    assert [p.path.name for p in found.pictures] == ["a.png", "b.png"]


def test_the_list_that_shares_names_says_what_numbers_mean(folder):
    put(folder / "hyp.yaml", "names: [p, q]\n")
    put(folder / "mine.yaml", "names: [disc, square]\n")
    found = read(folder, class_names=["square", "disc"])
    assert labels(found) == [["disc"], ["square"], ["square"]]


def test_names_with_their_own_numbers(folder):
    put(folder / "labels" / "classes.txt", "0: disc\n1: square\n")
    found = read(folder, class_names=["square", "disc"])
    assert labels(found) == [["disc"], ["square"], ["square"]]


def test_a_broken_list_far_away_is_not_asked(folder):
    put(folder / "labels" / "classes.txt", "disc\nsquare\n")
    put(folder / "data.yaml", "names: [")
    assert labels(read(folder, class_names=["square", "disc"])) == [
        ["disc"],
        ["square"],
        ["square"],
    ]
    (folder / "labels" / "classes.txt").unlink()
    with pytest.raises(NanodetError, match=r"data\.yaml: not valid YAML"):
        read(folder)


def test_without_names_the_config_is_named_only_where_there_is_one(folder):
    with pytest.raises(
        NanodetError, match=r"no class names: set class_names in the config, or put"
    ):
        read(folder)
    with pytest.raises(NanodetError, match=r"labels: no class names: put data.yaml, classes.txt"):
        read(folder, reading=Reading(place="--"))
