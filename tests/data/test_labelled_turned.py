"""Data sets with images that EXIF turns: labelled as turned or as stored, in every format."""

import numpy as np
import pytest
from turned_pictures import COLOUR, annotate, write_turned

from nanodet.data.picture import load_picture
from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError

KINDS = ("coco", "voc", "yolo")


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


def check_boxes(data):
    """Every box must show what it names, in the image that training and evaluation see."""
    for record in data.pictures:
        picture = load_picture(record)
        assert picture.shape[:2] == (record.height, record.width)
        for x1, y1, x2, y2 in record.boxes.round().astype(int):
            inner = picture[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1].reshape(-1, 3)
            np.testing.assert_allclose(inner.mean(axis=0), COLOUR, atol=25)


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("kind", [*KINDS, "cvat", "labelstudio"])
def test_all_orientations_labelled_either_way(tmp_path, images, kind, turned):
    for n in range(1, 9):
        write_turned(images / f"{n}.jpg", n)
    ann = annotate(tmp_path, kind, {f"{n}.jpg": turned for n in range(1, 9)})
    word = "turned" if turned else "stored"
    if kind == "yolo":
        with pytest.raises(NanodetError, match=r"7 labelled images .* orientation"):
            read_annotations(kind, images, ann, class_names=["box"])
    else:
        check_boxes(read_annotations(kind, images, ann))
    data = read_annotations(
        kind, images, ann, class_names=["box"], reading=Reading(orientation=word)
    )
    check_boxes(data)
    assert (data.counts.exif, data.counts.stored) == (7, 0 if turned else 7)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("turned", [True, False])
def test_one_picture_that_tells_decides_for_those_that_do_not(
    tmp_path, images, orientation, turned
):
    write_turned(images / "tells.jpg", 6)
    write_turned(images / "square.jpg", orientation, (48, 48))
    ann = annotate(tmp_path, "coco", {"tells.jpg": turned, "square.jpg": turned})
    check_boxes(read_annotations("coco", images, ann))


@pytest.mark.parametrize("kind", ["coco", "voc"])
@pytest.mark.parametrize(("orientation", "size"), [(3, (64, 48)), (2, (64, 48)), (6, (48, 48))])
def test_sizes_that_do_not_tell_ask_for_the_key(tmp_path, images, kind, orientation, size):
    for name in "ab":
        write_turned(images / f"{name}.jpg", orientation, size)
    write_turned(images / "empty.jpg", orientation, size)
    write_turned(images / "plain.jpg", 1)
    ways = {"a.jpg": False, "b.jpg": False, "empty.jpg": None, "plain.jpg": True}
    ann = annotate(tmp_path, kind, ways)
    with pytest.raises(NanodetError, match=r"2 labelled images are turned by EXIF.*orientation"):
        read_annotations(kind, images, ann)
    check_boxes(read_annotations(kind, images, ann, reading=Reading(orientation="stored")))


def test_without_labels_there_is_nothing_to_ask(tmp_path, images):
    write_turned(images / "a.jpg", 6)
    write_turned(images / "b.jpg", 1)
    ann = annotate(tmp_path, "yolo", {"a.jpg": None, "b.jpg": True})
    data = read_annotations("yolo", images, ann, class_names=["box"])
    assert [(p.width, p.height) for p in data.pictures] == [(48, 64), (64, 48)]


def test_pictures_that_differ_are_read_each_by_its_size(tmp_path, images):
    for name, orientation in (("a", 6), ("b", 8), ("c", 3)):
        write_turned(images / f"{name}.jpg", orientation)
    ann = annotate(tmp_path, "coco", {"a.jpg": True, "b.jpg": False})
    check_boxes(read_annotations("coco", images, ann))
    ann = annotate(tmp_path, "coco", {"a.jpg": True, "b.jpg": False, "c.jpg": False})
    with pytest.raises(NanodetError, match=r"1 labelled images .* the other images differ in"):
        read_annotations("coco", images, ann)


def test_boxes_tell_where_there_are_no_sizes(tmp_path, images):
    write_turned(images / "a.jpg", 8)  # as turned, the box reaches lower than the stored image
    ann = annotate(tmp_path, "coco", {"a.jpg": True}, sizes=False)
    check_boxes(read_annotations("coco", images, ann))


def test_sizes_as_stored_and_boxes_as_turned(tmp_path, images):
    for n in range(20):  # of one alone the box does not fit the image as stored
        write_turned(images / f"{n}.jpg", 8 if n == 9 else 6)
    ann = annotate(tmp_path, "coco", {f"{n}.jpg": True for n in range(20)})
    text = ann.read_text().replace('"width": 48, "height": 64', '"width": 64, "height": 48')
    ann.write_text(text)
    with pytest.raises(NanodetError, match=r"fit the other only.*orientation"):
        read_annotations("coco", images, ann)
    check_boxes(read_annotations("coco", images, ann, reading=Reading(orientation="turned")))


def test_another_size_is_an_error_in_every_reading(tmp_path, images):
    write_turned(images / "a.jpg", 6)
    ann = annotate(tmp_path, "coco", {"a.jpg": True})
    ann.write_text(ann.read_text().replace('"width": 48', '"width": 50'))
    for choice in ("auto", "turned", "stored"):
        with pytest.raises(NanodetError, match=r"its annotation says 50 x 64"):
            read_annotations("coco", images, ann, reading=Reading(orientation=choice))
