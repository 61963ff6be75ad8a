"""YOLO's text files: what is read, and every kind of broken line."""

import numpy as np
import pytest
from refusals import fails

from nanodet.data.read import read_annotations


@pytest.fixture
def yolo(tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()

    def write(text, stem="a"):
        (folder / f"{stem}.txt").write_text(text)
        return folder

    return write


def test_yolo_boxes_polygons_and_names(yolo, images, tmp_path):
    ann = yolo("1 0.5 0.5 0.5 0.2\n\n0 0.1 0.1 0.4 0.2 0.2 0.5\n")
    fails("class_names", "data.yaml", name="yolo", img=images, ann=ann)
    (tmp_path / "data.yaml").write_text("names: {0: x, 1: y}")
    data = read_annotations("YoloDataset", images, ann)
    assert data.class_names == ("x", "y")
    first, second = data.pictures
    np.testing.assert_allclose(first.boxes, [[10, 12, 30, 18], [4, 3, 16, 15]], atol=1e-5)
    assert first.labels.tolist() == [1, 0]
    assert len(second.boxes) == 0
    (ann / "classes.txt").write_text("p\nq\n")  # nearer
    assert read_annotations("yolo", images, ann).class_names == ("p", "q")


@pytest.mark.parametrize("file", ["data.yml", "coco8.yaml", "shapes.names"])
def test_yolo_names_in_a_file_of_another_name(yolo, images, tmp_path, file):
    ann = yolo("1 0.5 0.5 0.5 0.2")
    (tmp_path / "a.yaml").write_text("names: [broken")  # and others that are not about classes
    (tmp_path / "b.yaml").write_text("class_names: [x]")
    (tmp_path / file).write_text("x\ny\n" if file.endswith(".names") else "names: {1: y, 0: x}")
    data = read_annotations("yolo", images, ann, class_names=["y", "x"])
    assert data.pictures[0].labels.tolist() == [0]  # y, by name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("names: cat, dog", ["'names' is not a list"]),
        ("names: [yes, no]", ["class name True is not a text", "in quotes"]),
        ("names: [x, x]", ["'x' occurs twice", "own name"]),
        ("names: [x]", ["class 2 is not one of 0..0", "data.yaml (x)", "numbers start at 0"]),
    ],
)
def test_yolo_names_that_are_none(yolo, images, tmp_path, text, words):
    (tmp_path / "data.yaml").write_text(text)
    fails(*words, name="yolo", img=images, ann=yolo("2 0.5 0.5 0.5 0.2"), class_names=["x", "y"])


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("2 .5 .5 .1 .1", "class 2"),
        ("-1 .5 .5 .1 .1", "class -1"),
        ("0.5 .5 .5 .1 .1", "class 0.5"),
        ("0 .5 .5 .1", "4 values"),
        ("0 .5 .5 .1 .1 .1", "6 values"),
        ("0 .5 x .1 .1", "not numbers"),
        ("0 .5 nan .1 .1", "finite"),
    ],
)
def test_yolo_broken_lines(yolo, images, line, word):
    ann = yolo(f"0 .5 .5 .1 .1\n{line}\n")
    fails("a.txt: line 2", word, name="yolo", img=images, ann=ann, class_names=["x", "y"])


def test_yolo_counts_what_has_no_partner(yolo, images, tmp_path):
    yolo("", "gone")
    yolo("x\n", "classes")
    counts = read_annotations("yolo", images, yolo("0 .5 .5 .2 .2\n"), class_names=["x"]).counts
    assert (counts.without_labels, counts.without_picture) == (1, 1)


def test_yolo_keypoints_as_data_yaml_says(yolo, images, tmp_path):
    ann = yolo("0 .48 .48 .52 .48 .52 .52 .48 .52\n")
    fails("yolo_labels", name="yolo", img=images, ann=ann, class_names=["x"])
    (tmp_path / "data.yaml").write_text("names: [x]\nkpt_shape: [2, 2]")
    box = read_annotations("yolo", images, ann).pictures[0].boxes
    np.testing.assert_allclose(box, [[8.8, 7.2, 29.6, 21.6]], atol=1e-5)
    (tmp_path / "data.yaml").write_text("names: [x]\nkpt_shape: [2, 3]")
    fails("a.txt: line 1", "9 values", "11", name="yolo", img=images, ann=ann)
    (tmp_path / "data.yaml").write_text("names: [x]\nkpt_shape: 2")
    fails("data.yaml", "kpt_shape 2", name="yolo", img=images, ann=ann)


def test_yolo_wrong_folder(yolo, images, tmp_path):
    ann = yolo("", "zzz")
    words = "no label file", f"a.jpg would have {ann / 'a.txt'}"
    fails(*words, name="yolo", img=images, ann=ann, class_names=["x"])
    (tmp_path / "none").mkdir()
    fails("no images", name="yolo", img=tmp_path / "none", ann=yolo(""), class_names=["x"])
