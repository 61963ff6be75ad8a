"""Classes are matched by name wherever two lists of them meet, in every format."""

import json

import cv2
import numpy as np
import pytest

from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError

TRAINING = Reading(training=True)
SKIP = Reading(unknown_classes="skip")


@pytest.fixture
def images(tmp_path):
    """A folder with a.png, 40 x 30 pixels."""
    folder = tmp_path / "images"
    folder.mkdir()
    assert cv2.imwrite(str(folder / "a.png"), np.zeros((30, 40, 3), np.uint8))
    return folder


def write_coco(folder, names, objects, **more):
    """Write a file whose categories have ids 1, 2, ...; ``objects`` are names of ``names``."""
    categories = [{"id": n, "name": name} for n, name in enumerate(names, 1)]
    annotations = [
        {"id": n, "image_id": 1, "category_id": names.index(name) + 1, "bbox": [n, n, 9, 9]}
        for n, name in enumerate(objects, 1)
    ]
    path = folder / "coco.json"
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
        "categories": categories,
        "annotations": annotations,
    }
    path.write_text(json.dumps(content | more))
    return path


def write_voc(folder, names, objects):
    folder = folder / "xml"
    folder.mkdir(exist_ok=True)
    box = "<bndbox><xmin>{0}</xmin><ymin>{0}</ymin><xmax>{1}</xmax><ymax>{1}</ymax></bndbox>"
    inner = "".join(
        f"<object><name>{name}</name>{box.format(n, n + 9)}</object>"
        for n, name in enumerate(objects, 1)
    )
    size = "<size><width>40</width><height>30</height></size>"
    (folder / "a.xml").write_text(
        f"<annotation><filename>a.png</filename>{size}{inner}</annotation>", encoding="utf-8"
    )
    return folder


def write_yolo(folder, names, objects):
    folder = folder / "labels"
    folder.mkdir(exist_ok=True)
    lines = [
        f"{names.index(name)} {(n + 4.5) / 40} {(n + 4.5) / 30} {9 / 40} {9 / 30}"
        for n, name in enumerate(objects, 1)
    ]
    (folder / "a.txt").write_text("\n".join(lines))
    (folder.parent / "data.yaml").write_text(json.dumps({"names": names}), encoding="utf-8")
    return folder


FORMATS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo}


@pytest.fixture(params=FORMATS)
def read(request, images, tmp_path):
    """A function: names and objects of a file, and what is wanted, to `Annotations`."""
    return reader_of(request.param, images, tmp_path)


@pytest.fixture(params=["coco", "yolo"])
def read_listed(request, images, tmp_path):
    """As `read`, of the formats that list their classes."""
    return reader_of(request.param, images, tmp_path)


def reader_of(kind, images, folder):
    def call(names, objects, wanted, reading=None):
        path = FORMATS[kind](folder, names, objects)
        return read_annotations(kind, images, path, class_names=wanted, reading=reading)

    return call


def taught(annotations):
    """Return the class names of the objects, in the order of the file."""
    (picture,) = annotations.pictures
    order = np.argsort(picture.boxes[:, 0])
    return [annotations.class_names[n] for n in picture.labels[order]]


def refused(read, *arguments, words, **more):
    with pytest.raises(NanodetError) as caught:
        read(*arguments, **more)
    text = str(caught.value)
    assert all(word in text for word in words), text
    return text


# what holds in every format


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("wanted", [["disc", "square"], ["square", "disc"]])
def test_the_order_does_not_count(read, wanted, training):
    found = read(
        ["disc", "square"], ["square", "disc", "square"], wanted, Reading(training=training)
    )
    assert found.class_names == tuple(wanted)
    assert taught(found) == ["square", "disc", "square"]
    assert found.notes == found.problems == []


def test_the_spelling_does_not_count(read):
    names = ["Traffic Light", "STOP-sign", " hot_dog"]
    found = read(names, names, ["hot dog", "traffic_light", "stopsign"])
    assert taught(found) == ["traffic_light", "stopsign", "hot dog"]
    assert found.notes == []


def test_names_that_are_not_latin(read):
    found = read(["翘头剪", "止血钳"], ["止血钳"], ["止血钳", "翘头剪"])
    assert taught(found) == ["止血钳"]


def test_the_same_spelling_comes_first(read):
    found = read(["a_b", "a-b"], ["a-b", "a_b"], ["a-b", "a_b"])
    assert taught(found) == ["a-b", "a_b"]


def test_two_that_may_be_one_are_refused(read):
    refused(read, ["A b"], ["A b"], ["a-b", "a_b"], words=["'A b'", "'a-b'", "'a_b'"])


def test_no_class_of_the_file_is_wanted(read):
    refused(read, ["cat", "dog", "cow"], ["cat", "dog", "cow"], ["a", "b"], words=["cat", "(a, b)"])


def test_unknown_classes_are_skipped_when_asked(read):
    objects = ["square", "ball", "ball", "disc"]
    found = read(["ball", "disc", "square"], objects, ["square", "disc"], SKIP)
    assert taught(found) == ["square", "disc"]
    assert found.skipped == {"ball": 2}
    assert len(found.notes) == 1 and "'ball' (2 objects" in found.notes[0]


def test_unknown_classes_are_an_error_that_lists_them_all(read):
    names = [f"thing {n}" for n in range(7)]
    text = refused(
        read, [*names, "square"], [*names, names[0], "square"], ["square"],
        Reading(unknown_classes="error", place="data.val."),
        words=["'thing 0' (2 objects", "'thing 4' (1 object", "2 classes more",
               "data.val.unknown_classes: skip"],
    )  # fmt: skip
    assert "thing 5" not in text


def test_a_model_without_names_takes_classes_by_position(read):
    found = read(["disc", "square"], ["square", "disc"], ["0", "1"])
    assert taught(found) == ["square", "disc"]
    assert found.notes == []
    refused(read, ["a", "b", "c"], ["a", "b", "c"], ["0", "1"], words=["3 classes", "has 2"])


def test_classes_that_are_digits_are_names(read):
    digits = [str(n) for n in (1, 2, 3, 0)]
    assert taught(read(digits, digits, ["0", "1", "2", "3"])) == digits


# COCO and YOLO list their classes


def test_no_name_in_common_goes_by_position_and_says_so(read_listed):
    found = read_listed(["rot", "blau"], ["blau", "rot"], ["red", "blue"])
    assert taught(found) == ["blue", "red"]
    (note,) = found.notes
    assert "matched by position: rot is red, blau is blue" in note


def test_some_names_in_common_is_an_error_with_both_lists(read_listed):
    refused(
        read_listed, ["square", "ball"], ["square", "ball"], ["square", "disc"],
        words=["square, ball", "square, disc", "'ball' (1 object)"],
    )  # fmt: skip


def test_classes_without_objects_are_left_out_with_a_line(read_listed):
    found = read_listed(["things", "disc", "square"], ["square"], ["square", "disc"], TRAINING)
    assert taught(found) == ["square"]
    (note,) = found.notes
    assert "left out: things" in note


def test_a_class_that_the_file_lacks(read_listed):
    arguments = ["square"], ["square"], ["disc", "square", "ball"]
    refused(
        read_listed, *arguments, TRAINING,
        words=["disc, ball", "class_names", "could not be learned", "take it out", "add it"],
    )  # fmt: skip
    found = read_listed(*arguments)
    assert taught(found) == ["square"]
    (note,) = found.notes
    assert "not measured: disc, ball" in note


def test_one_class_listed_twice_is_refused(read_listed):
    refused(
        read_listed, ["DISC", "square", "Disc "], ["DISC", "Disc "], ["disc", "square"],
        words=["'DISC' and 'Disc ' may both be 'disc'"],
    )  # fmt: skip
    # of the same spelling there is only one
    refused(
        read_listed, ["disc", "square", "Disc"], ["Disc"], ["disc", "square"],
        words=["not in class_names: 'Disc' (1 object, did you mean 'disc'?)"],
    )  # fmt: skip


def test_a_small_file_and_the_80_classes_of_coco(read_listed, root):
    from nanodet.config import load_config

    names = load_config(root / "config" / "nanodet-m.yml").class_names
    found = read_listed(["Traffic Light", "TV"], ["TV", "Traffic Light"], names)
    assert taught(found) == ["tv", "traffic_light"]
    (note,) = found.notes
    assert "person, bicycle" in note and "(78 in all)" in note and "toothbrush" not in note


# VOC


@pytest.fixture
def read_voc(images, tmp_path):
    def call(objects, wanted, reading=None):
        path = write_voc(tmp_path, (), objects)
        return read_annotations("voc", images, path, class_names=wanted, reading=reading)

    return call


def test_voc_skips_unknown_classes_with_a_count(read_voc):
    found = read_voc(["cat", "dgo", "cow", "dgo"], ["cat", "dog", "fox"], TRAINING)
    assert taught(found) == ["cat"]
    assert found.skipped == {"cow": 1, "dgo": 2}
    assert "'dgo' (2 objects, first in a.xml, did you mean 'dog'?)" in found.notes[0]


def test_spellings_of_one_class_are_told_where_no_list_says_which(read_voc):
    found = read_voc(["Cat", "cat", "dog"], None)
    assert found.class_names == ("Cat", "cat", "dog")
    (note,) = found.notes
    assert "'Cat' and 'cat' count as two classes" in note


def test_voc_takes_every_spelling_of_a_class(read_voc):
    assert taught(read_voc(["Cat", "cat", "CAT "], ["cat"])) == ["cat"] * 3


# COCO


def test_coco_groups_are_no_classes(images, tmp_path):
    categories = [
        {"id": 0, "name": "shapes", "supercategory": "none"},
        {"id": 1, "name": "square", "supercategory": "shapes"},
        {"id": 2, "name": "disc", "supercategory": "shapes"},
        {"id": 3, "name": "rare", "supercategory": "rare"},
    ]
    path = write_coco(tmp_path, ["square", "disc"], ["disc"], categories=categories)
    found = read_annotations("coco", images, path)
    assert found.class_names == ("square", "disc", "rare")
    assert found.category_ids == (1, 2, 3)
    assert taught(found) == ["disc"]
    assert len(found.notes) == 1 and "shapes" in found.notes[0]
    found = read_annotations("coco", images, path, class_names=["a", "b", "c"])
    assert taught(found) == ["b"]
    # with objects it is a class
    annotations = [{"id": 1, "image_id": 1, "category_id": 0, "bbox": [1, 1, 9, 9]}]
    path = write_coco(tmp_path, [], [], categories=categories, annotations=annotations)
    assert read_annotations("coco", images, path).class_names[0] == "shapes"


def test_coco_a_group_may_be_called_as_its_only_class(images, tmp_path):
    categories = [
        {"id": 0, "name": "disc", "supercategory": "none"},
        {"id": 1, "name": "disc", "supercategory": "disc"},
    ]
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}]
    path = write_coco(tmp_path, [], [], categories=categories, annotations=annotations)
    for wanted in (None, ["disc"], ["Disc"], ["0"]):
        found = read_annotations("coco", images, path, class_names=wanted)
        assert taught(found) == [wanted[0] if wanted and wanted[0] != "0" else "disc"]
        assert found.category_ids == (1,)


def test_coco_a_group_is_a_class_of_models_that_were_trained_so(images, tmp_path):
    categories = [
        {"id": 0, "name": "shapes", "supercategory": "none"},
        {"id": 1, "name": "disc", "supercategory": "shapes"},
    ]
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}]
    path = write_coco(tmp_path, [], [], categories=categories, annotations=annotations)
    found = read_annotations("coco", images, path, class_names=["shapes", "disc"], reading=TRAINING)
    assert taught(found) == ["disc"] and found.category_ids == (0, 1)


def test_coco_category_ids_follow_the_classes(images, tmp_path):
    path = write_coco(tmp_path, ["disc", "square"], ["disc"])
    found = read_annotations("coco", images, path, class_names=["square", "ball", "disc"])
    assert found.category_ids == (2, None, 1)


def test_coco_categories_without_names(images, tmp_path):
    path = write_coco(tmp_path, [], [], categories=[{"id": 7}, {"id": 4, "name": None}])
    assert read_annotations("coco", images, path).class_names == ("4", "7")
    found = read_annotations("coco", images, path, class_names=["a", "b"])
    assert "4 is a, 7 is b" in found.notes[0]


def test_coco_val_and_the_originals_names(coco_mini, root):
    from nanodet.config import load_config

    names = load_config(root / "config" / "nanodet-m.yml").class_names
    paths = coco_mini / "images", coco_mini / "annotations.json"
    by_name = read_annotations("coco", *paths, class_names=names, reading=TRAINING)
    plain = read_annotations("coco", *paths)
    assert by_name.notes == []
    for mine, theirs in zip(by_name.pictures, plain.pictures, strict=True):
        np.testing.assert_array_equal(mine.labels, theirs.labels)


# YOLO


def test_yolo_without_a_file_of_names(images, tmp_path):
    folder = write_yolo(tmp_path, ["a", "b"], ["b"])
    (tmp_path / "data.yaml").unlink()
    found = read_annotations("yolo", images, folder, class_names=["square", "disc"])
    (line,) = found.notes
    assert taught(found) == ["disc"]
    assert line.endswith("taken as numbered in class_names (square, disc)")


@pytest.mark.parametrize("name", ["classes.txt", "obj.names"])
def test_yolo_lists_in_text_files(images, tmp_path, name):
    folder = write_yolo(tmp_path, ["disc", "square"], ["square"])
    (tmp_path / "data.yaml").unlink()
    (folder / name).write_text("Disc\nSquare\n")
    found = read_annotations("yolo", images, folder, class_names=["square", "disc"])
    assert taught(found) == ["square"]


def test_yolo_a_yaml_without_names_is_no_list(images, tmp_path):
    folder = write_yolo(tmp_path, ["a", "b"], ["b"])
    (tmp_path / "data.yaml").write_text("url: none")
    found = read_annotations("yolo", images, folder, class_names=["square", "disc"])
    assert taught(found) == ["disc"]


def test_yolo_two_lists_of_other_orders_are_told(images, tmp_path):
    folder = write_yolo(tmp_path, ["disc", "square"], ["square"])
    for names, count in ((["Disc", "Square"], 0), (["square", "disc"], 1)):
        (folder / "classes.txt").write_text("\n".join(names))
        found = read_annotations("yolo", images, folder, class_names=["square", "disc"])
        assert taught(found) == [names[1].lower()]
        assert len(found.notes) == count
    assert "classes.txt: says what the class numbers mean (square, disc)" in found.notes[0]
    assert "data.yaml has disc, square" in found.notes[0]


def test_yolo_numbers_beyond_the_names(images, tmp_path):
    folder = write_yolo(tmp_path, ["a", "b", "c", "d"], ["b", "c", "d", "c"])
    (tmp_path / "data.yaml").write_text("names: [a, b]")
    with pytest.raises(
        NanodetError, match=r"class 2 is not one of 0..1 \(3 such lines, of classes 2"
    ):
        read_annotations("yolo", images, folder)
    found = read_annotations("yolo", images, folder, reading=SKIP)
    assert taught(found) == ["b"]
    assert found.skipped == {"class 2": 2, "class 3": 1}
    assert len(found.notes) == 1
