"""Images are found by the paths of other machines, and missing ones told all at once."""

import json
import os

import cv2
import numpy as np
import pytest

from nanodet.data.discover import discover
from nanodet.data.locate import find_pictures
from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError

SKIP = Reading(missing_images="skip")
PNG = cv2.imencode(".png", np.zeros((30, 40, 3), np.uint8))[1].tobytes()


def make(folder, *names):
    """Put images of 40 x 30 pixels into a folder, and return it."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNG)
    return folder


def write_coco(folder, names):
    path = folder / "coco.json"
    images = [
        {"id": n, "file_name": name, "width": 40, "height": 30} for n, name in enumerate(names, 1)
    ]
    annotations = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": [n, 1, 5, 5]}
        for n in range(1, len(names) + 1)
    ]
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "x"}],
    }
    path.write_text(json.dumps(content))
    return path


def write_voc(folder, names):
    for n, name in enumerate(names, 1):
        box = f"<xmin>{n}</xmin><ymin>1</ymin><xmax>{n + 5}</xmax><ymax>6</ymax>"
        path = folder / "xml" / f"{n:04}.xml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f"<annotation><filename>{name}</filename>"
            f"<object><name>x</name><bndbox>{box}</bndbox></object></annotation>"
        )
    return folder / "xml"


FORMATS = {"coco": write_coco, "voc": write_voc}


@pytest.fixture(params=FORMATS)
def read(request, tmp_path):
    """A function: names as a file gives them to `Annotations`, of images in ``images``."""

    def call(*names, reading=None, list_path=None):
        path = FORMATS[request.param](tmp_path, names)
        return read_annotations(
            request.param, tmp_path / "images", path, list_path, reading=reading
        )

    return call


def found(annotations, folder):
    """Return the images' paths below ``folder``; checks that each has its own box."""
    for picture in annotations.pictures:
        assert picture.boxes[0, 0] == picture.image_id
    return [p.path.relative_to(folder).as_posix() for p in annotations.pictures]


@pytest.mark.parametrize(
    "name",
    [
        "a.png", "sub/b.png", r"sub\b.png", r"..\..\label-studio\upload\4\a.png", "images/a.png",
        "/home/someone/data/a.png", r"C:\data\images\sub\b.png", "b.png", r"D:b.png" "/../b.png",
        "B.PNG", "elsewhere/b.png",
    ],
)  # fmt: skip
def test_paths_of_other_machines(read, tmp_path, name):
    images = make(tmp_path / "images", "a.png", "sub/b.png", "sub/c.png")
    expected = "a.png" if "a.png" in name else "sub/b.png"
    assert found(read(name), images) == [expected]


def test_a_picture_found_by_its_end_is_told(read, tmp_path):
    images = make(tmp_path / "images", "a.png", "sub/b.png")
    assert read("a.png").notes == []
    data = read("a.png", "old/b.png")
    assert found(data, images) == ["a.png", "sub/b.png"]
    assert any("1 of 2 images found by the end of their name" in note for note in data.notes)


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("Ba\u0308r.png", "B\u00e4r.png"), ("B\u00e4r.png", "Ba\u0308r.png"),  # macOS, others
        ("my%20image.png", "my image.png"), ("my image.png", "my%20image.png"),
        ("https://host/a/b.png?token=a/x", "b.png"), (" b.png\n", "b.png"), ("b", "b.PNG"),
    ],
)  # fmt: skip
def test_other_spellings_of_a_name(tmp_path, name, there):
    images = make(tmp_path / "images", there, "other.png")
    assert find_pictures(images, [name]) == ([images / there], 1, {})


def test_the_longest_end_decides(tmp_path):
    images = make(tmp_path / "images", "day/cam1/a.png", "day/cam2/a.png", "night/cam3/a.png")
    paths, guessed, doubts = find_pictures(images, ["x/cam2/a.png", r"E:\cam3\a.png"])
    assert [path.relative_to(images).as_posix() for path in paths] == [
        "day/cam2/a.png", "night/cam3/a.png",
    ]  # fmt: skip
    assert (guessed, doubts) == (2, {})


def test_an_ambiguous_name_is_missing(read, tmp_path):
    make(tmp_path / "images", "1/a.png", "2/a.png", "b.png")
    with pytest.raises(NanodetError) as caught:
        read("a.png", "b.png")
    text = str(caught.value)
    assert "1 of 2 images is missing" in text
    assert os.path.join("1", "a.png") in text and os.path.join("2", "a.png") in text


def test_two_names_never_become_one_picture(tmp_path):
    images = make(tmp_path / "images", "a.png")
    path = write_coco(tmp_path, ["cam1/a.png", "cam2/a.png"])
    with pytest.raises(NanodetError, match=r"2 images are missing .*cam1/a\.png \(may be"):
        read_annotations("coco", images, path)
    path = write_coco(tmp_path, ["a.png", "cam2/a.png"])
    data = read_annotations("coco", images, path, reading=SKIP)
    assert [picture.image_id for picture in data.pictures] == [1]


def test_missing_pictures_are_told_all_at_once(read, tmp_path):
    make(tmp_path / "images", "here.png")
    names = [f"{n}.png" for n in range(12)]
    with pytest.raises(NanodetError) as caught:
        read(*names, "here.png", reading=Reading(place="data.train."))
    text = str(caught.value)
    assert "12 of 13 images are missing" in text and str(tmp_path / "images") in text
    assert all(name in text for name in names[:5]) and "5.png" not in text
    assert "and 7 more" in text and "data.train.missing_images: skip" in text
    with pytest.raises(NanodetError, match="--missing-images skip continues"):
        read(*names, "here.png", reading=Reading(place="--"))


def test_missing_pictures_are_left_out_when_asked(read, tmp_path):
    images = make(tmp_path / "images", "a.png", "b.png")
    data = read("x.png", "a.png", "y.png", "b.png", reading=SKIP)
    assert [p.path.relative_to(images).as_posix() for p in data.pictures] == ["a.png", "b.png"]
    assert [picture.boxes[0, 0] for picture in data.pictures] == [2, 4]
    (note,) = data.notes
    assert "2 of 4 images are missing" in note and note.endswith("left out")


@pytest.mark.parametrize("reading", [None, SKIP])
def test_if_all_are_missing_the_folder_is_the_wrong_one(read, tmp_path, reading):
    make(tmp_path / "images", "other.png")
    with pytest.raises(NanodetError, match=r"2 images are missing .*is that the right folder"):
        read("a.png", "b.png", reading=reading)


def test_classes_of_missing_pictures_do_not_count(tmp_path):
    images = make(tmp_path / "images", "a.png")
    path = write_voc(tmp_path, ["a.png", "gone.png"])
    gone = path / "0002.xml"
    gone.write_text(gone.read_text().replace("<name>x<", "<name>y<"))
    assert read_annotations("voc", images, path, reading=SKIP).class_names == ("x",)


@pytest.mark.parametrize(
    "line", [r"sub\b.png", r"C:\old\sub\b.png", "/old/images/sub/b.png", "sub/b"]
)
def test_lists_of_other_machines(tmp_path, line):
    images = make(tmp_path / "images", "a/b.png", "sub/b.png", "sub/c.png")
    (tmp_path / "list.txt").write_text(f"{line}\n")
    labels = tmp_path / "labels" / "sub"
    labels.mkdir(parents=True)
    (labels / "b.txt").write_text("0 .5 .5 .1 .1")
    for kind, path in (
        ("yolo", tmp_path / "labels"),
        ("coco", write_coco(tmp_path, [r"a\b.png", r"sub\b.png"])),
    ):
        data = read_annotations(kind, images, path, tmp_path / "list.txt", ["x"])
        (picture,) = data.pictures
        assert picture.path == images / "sub" / "b.png" and len(picture.boxes) == 1


def test_lines_of_a_list_without_a_picture(read, tmp_path):
    images = make(tmp_path / "images", "0001.png")
    path = tmp_path / "list.txt"
    path.write_text("\n".join(["0001", *(f"gone{n}.png" for n in range(7))]))
    with pytest.raises(NanodetError) as caught:
        read("0001.png", list_path=path)
    text = str(caught.value)
    assert text.startswith(f"{path}: line 2: no ")
    assert "'gone0.png', nor 'gone1.png'" in text
    assert "and 2 more (7 such lines)" in text and "missing_images: skip" in text
    assert "gone5" not in text
    data = read("0001.png", list_path=path, reading=SKIP)
    assert found(data, images) == ["0001.png"] and "left out" in data.notes[0]
    path.write_text("gone")
    with pytest.raises(NanodetError, match=r"'gone'$"):
        read("0001.png", list_path=path, reading=SKIP)


def test_other_words_for_a_choice_are_refused():
    with pytest.raises(
        NanodetError, match=r"data\.val\.missing_images: must be one of error, skip"
    ):
        Reading(missing_images="yes", place="data.val.")


@pytest.mark.parametrize("name", ["voc", "yolo"])
def test_hidden_files_are_neither_pictures_nor_labels(tmp_path, name):
    make(tmp_path, "images/0001.png")
    if name == "voc":
        labels = write_voc(tmp_path, ["0001.png"])
    else:
        labels = tmp_path / "labels"
        labels.mkdir()
        (labels / "0001.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    for folder in (tmp_path / "images", labels):
        for file in list(folder.iterdir()):
            (folder / f"._{file.name}").write_bytes(bytes(range(256)))
    found = read_annotations(name, tmp_path / "images", labels, None, ["x"])
    assert len(found.pictures) == 1 and len(found.pictures[0].boxes) == 1
    assert found.counts.without_picture == 0


LONG = "q" * 300 + ".png"  # longer than file systems allow


@pytest.mark.parametrize("kind", ["coco", "voc", "via", "cvat"])
def test_a_name_too_long_for_a_file_is_that_of_a_missing_picture(tmp_path, kind):
    make(tmp_path / "images", "a.png")
    path = WITH_LONG[kind](tmp_path, ["a.png", LONG])
    with pytest.raises(NanodetError, match=rf"^{path}.*qqq") as caught:
        read_annotations(kind, tmp_path / "images", path)
    assert "File name too long" not in str(caught.value)
    read = read_annotations(kind, tmp_path / "images", path, reading=SKIP)
    assert [picture.path.name for picture in read.pictures] == ["a.png"]
    assert discover(tmp_path).train.images == tmp_path / "images"


def write_via(folder, names):
    region = {
        "shape_attributes": {"name": "rect", "x": 1, "y": 1, "width": 5, "height": 5},
        "region_attributes": {"kind": "x"},
    }
    images = {name: {"filename": name, "size": -1, "regions": [region]} for name in names}
    (folder / "via.json").write_text(json.dumps(images))
    return folder / "via.json"


def write_cvat(folder, names):
    box = '<box label="x" xtl="1" ytl="1" xbr="6" ybr="6" occluded="0"/>'
    images = "".join(
        f'<image id="{n}" name="{name}" subset="train" width="40" height="30">{box}</image>'
        for n, name in enumerate(names)
    )
    (folder / "cvat.xml").write_text(f"<annotations><version>1.1</version>{images}</annotations>")
    return folder / "cvat.xml"


WITH_LONG = {**FORMATS, "via": write_via, "cvat": write_cvat}
