"""What is taught is counted, in one line; nothing to learn is an error, most of it lost a warning."""

from pathlib import Path

import numpy as np
import pytest

from nanodet.config.data_sections import Dataset
from nanodet.data.augment.geometry import map_boxes, worth_teaching
from nanodet.data.records import Annotations, Counts, Picture
from nanodet.data.summary import check_objects, describe, summarise, warnings_of
from nanodet.errors import NanodetError
from nanodet.runtime.fit import FITS, place

GOOD = [10, 10, 50, 40]


def picture(boxes, name="a.jpg", labels=None, ignored=(), size=(160, 120)):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    ignored = np.array(ignored, np.float32).reshape(-1, 4)
    labels = np.zeros(len(boxes), np.int64) if labels is None else np.array(labels)
    return Picture(Path(name), 1, *size, boxes, labels, boxes[:, 2], ignored)


def annotations(*pictures, classes=("cat", "dog"), **more):
    return Annotations(classes, tuple(range(len(classes))), list(pictures), **more)


def section(size=(160, 128), **more):
    return Dataset(name="coco", img_path="", ann_path="", input_size=list(size), **more)


def test_one_line_has_all_of_it():
    found = annotations(
        picture([GOOD, GOOD, [5, 5, 6, 6]], labels=[0, 0, 1], ignored=[GOOD]),
        picture([GOOD], "b.jpg", [1]),
        picture([], "c.jpg"),
        picture([GOOD], "b.jpg", [0]),
        skipped={"cow": 6},
        counts=Counts(left_out=2, clipped=3, without_labels=1, without_picture=4, exif=5, stored=5),
    )
    assert describe(summarise(found, section())) == (
        "4 images (1 without objects), 5 boxes (cat 3, dog 2); 1 ignored; 6 of other classes; 2 left out; "
        "3 clipped; 1 too small to learn at 160x128; 1 duplicate; 1 image listed twice; "
        "1 image without labels; 4 label files without image; 5 images turned by EXIF, "
        "5 of them labelled as stored"
    )
    assert describe(summarise(annotations(picture([GOOD])))) == "1 image, 1 box (cat 1, dog 0)"


def test_the_same_box_of_another_class_or_image_is_no_duplicate():
    found = annotations(picture([GOOD, GOOD], labels=[0, 1]), picture([GOOD], "b.jpg"))
    assert summarise(found).same_boxes == 0


def test_many_classes_do_not_fill_the_screen():
    names = tuple(f"class {n}" for n in range(80))
    boxes = np.tile(GOOD, (3000, 1))
    labels = np.repeat(np.arange(76), range(1, 77))[:2900]
    text = describe(summarise(annotations(picture(boxes[:2900], labels=labels), classes=names)))
    assert len(text) < 250
    assert "of 76 classes (class 74 75, class 73 74, class 72 73, ... " in text
    assert "class 1 2, class 0 1; none of class 76, class 77, class 78 and 1 more)" in text


@pytest.mark.parametrize("fit", FITS)
def test_too_small_is_what_training_leaves_out(fit):
    rng = np.random.default_rng(0)
    pictures = []
    for n in range(40):
        size = rng.integers(50, 2000, 2)
        start = rng.uniform(0, 0.9, (20, 2)) * size
        boxes = np.hstack([start, np.minimum(start + rng.exponential(20, (20, 2)), size)])
        pictures.append(picture(boxes, f"{n}.jpg", size=size.tolist()))
    left_out = 0
    for p in pictures:
        placed = place(fit, (p.width, p.height), (160, 128))
        kept = worth_teaching(
            *map_boxes(p.boxes, np.vstack([placed.matrix, (0, 0, 1)]), placed.canvas)
        )
        left_out += (~kept).sum()
    assert 100 < left_out < 700
    counted = summarise(annotations(*pictures), section(fit=fit)).too_small
    assert abs(counted - left_out) <= 8  # placed at half a pixel, a box may be cut by the border


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (annotations(picture([])), ["none of its 1 image has a box"]),
        (annotations(picture([], ignored=[GOOD, GOOD])), ["all 2 boxes", "iscrowd", "difficult"]),
        (annotations(picture([[1, 1, 1.5, 1.5]])), ["all 1 box are too small", "160x128"]),
        (
            annotations(
                picture([]), counts=Counts(left_out=7),
                problems=["a.json: annotation 3: box (0, 0, 0, 0) has no area"],
            ),
            ["all 7 boxes are left out", "annotation 3"],
        ),
    ],
)  # fmt: skip
def test_nothing_to_learn(found, words):
    with pytest.raises(NanodetError) as caught:
        check_objects(summarise(found, section()), "data.train")
    assert str(caught.value).startswith("data.train: nothing to learn: ")
    for word in words:
        assert word in str(caught.value)


def test_labels_by_other_names():
    found = annotations(
        picture([GOOD]), picture([], "b.jpg"), picture([], "c.jpg"),
        counts=Counts(without_labels=2, without_picture=2),
    )  # fmt: skip
    (line,) = warnings_of(summarise(found), "data.train")
    assert "2 images have no label file, and 2 label files no image: do their names differ?" in line


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (
            annotations(picture([GOOD], ignored=[GOOD, GOOD])),
            "2 of 3 boxes are marked to be ignored",
        ),
        (
            annotations(picture([GOOD]), skipped={"cow": 2}),
            "2 of 3 boxes are left out, because their",
        ),
        (annotations(picture([GOOD]), counts=Counts(left_out=2)), "2 of 3 boxes are left out"),
        (annotations(picture([GOOD]), counts=Counts(clipped=1)), "1 of 1 box extend outside"),
        (annotations(picture([GOOD, [1, 1, 2, 2], [2, 1, 3, 2]])), "2 of 3 boxes are too small"),
        (annotations(picture([GOOD, GOOD])), "1 of 2 boxes repeat one of the same class"),
        (annotations(picture([GOOD]), picture([])), "1 of 2 images are listed twice"),
    ],
)
def test_most_of_it_lost(found, word):
    summary = summarise(found, section())
    check_objects(summary, "data.train")
    (line,) = warnings_of(summary, "data.train")
    assert line.startswith(f"warning: data.train: {word}")


def test_a_sound_set_warns_of_nothing():
    found = annotations(
        picture([GOOD, [1, 1, 30, 30]], ignored=[GOOD] * 2), counts=Counts(left_out=1, clipped=1)
    )
    assert warnings_of(summarise(found, section()), "data.train") == []
