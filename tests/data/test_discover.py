"""Folders as tools lay them out: their format, images and splits."""

import pytest
from layouts import CLASSES, EVERY, LAYOUTS, TEST, TRAIN, VAL, Drawn

from nanodet.data.discover import discover
from nanodet.data.read import read_annotations
from nanodet.errors import NanodetError


@pytest.fixture(scope="module")
def drawn():
    return Drawn()


def stems(found):
    annotations = read_annotations(
        found.format, found.images, found.annotations, found.list_path, CLASSES
    )
    assert sum(len(picture.boxes) for picture in annotations.pictures)
    return [int(picture.path.stem) for picture in annotations.pictures]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_with_its_own_split(layout, tmp_path, drawn):
    write, train, val = LAYOUTS[layout]
    write(tmp_path / "set", drawn)
    found = discover(tmp_path / "set")
    assert sorted(stems(found.train)) == list(range(train))
    if val is None:
        assert found.val is None
    else:
        assert sorted(stems(found.val)) == list(VAL)


def test_a_path_of_its_own_names_the_set(tmp_path, drawn):
    LAYOUTS["coco_per_split"][0](tmp_path, drawn)
    one = discover(tmp_path / "annotations" / "instances_val2017.json")
    assert one.val is None
    assert stems(one.train) == list(VAL)
    LAYOUTS["yolo_lists"][0](tmp_path / "y", drawn)
    assert discover(tmp_path / "y" / "shapes.yaml") == discover(tmp_path / "y")
    LAYOUTS["voc"][0](tmp_path / "v", drawn)
    assert stems(discover(tmp_path / "v" / "annotations").train) == list(EVERY)


def test_a_test_set_alone_is_the_one_to_evaluate_on(tmp_path, drawn):
    for split, which in (("train", TRAIN), ("test", TEST)):
        drawn.images(tmp_path / split, which)
        drawn.coco(tmp_path / split / "_annotations.coco.json", which)
    found = discover(tmp_path)
    assert found.val is not None
    assert stems(found.val) == list(TEST)
    assert "validated on the test set" in found.notes[0]


def test_a_test_set_beside_a_validation_set_is_left(tmp_path, drawn):
    LAYOUTS["voc_lists"][0](tmp_path, drawn)
    (note,) = discover(tmp_path).notes
    assert str(tmp_path / "ImageSets" / "Main" / "test.txt") in note


def test_a_set_that_is_in_no_list_is_told(tmp_path, drawn):
    LAYOUTS["voc_lists"][0](tmp_path, drawn)
    drawn.coco(tmp_path / "test" / "export.json", TEST)
    found = discover(tmp_path)
    assert stems(found.train) == list(TRAIN)
    assert found.notes[-1] == f"{tmp_path / 'test' / 'export.json'}: not used"


def test_trainval_and_test_are_a_split(tmp_path, drawn):
    LAYOUTS["voc_lists"][0](tmp_path, drawn)
    (tmp_path / "ImageSets" / "Main" / "val.txt").unlink()
    found = discover(tmp_path)
    assert stems(found.train) == [*TRAIN, *VAL]
    assert found.val is not None
    assert stems(found.val) == list(TEST)


def test_labels_named_like_lists_are_labels(tmp_path, drawn):
    """Also empty ones, which could be lists by their content."""
    LAYOUTS["yolo_classes"][0](tmp_path, drawn)
    for folder in ("images", "labels"):
        for path in sorted((tmp_path / folder).iterdir()):
            if path.stem.isdigit():
                path.rename(path.with_stem(f"train_{path.stem}"))
    (tmp_path / "labels" / "train_0003.txt").write_text("")
    found = discover(tmp_path)
    assert found.val is None and found.train.list_path is None
    (tmp_path / "train.txt").write_text("train_0001\ntrain_0003\n")
    found = discover(tmp_path)
    assert found.train.list_path == tmp_path / "train.txt"


def test_train_in_the_name_of_one_folder_is_no_split(tmp_path, drawn):
    LAYOUTS["voc_beside"][0](tmp_path, drawn)
    for folder, which in (("toy train", range(5)), ("cars", range(5, 10))):
        (tmp_path / folder).mkdir()
        for n in which:
            for path in list(tmp_path.rglob(f"{n:04d}.*")):
                path.rename(tmp_path / folder / path.name)
    found = discover(tmp_path)
    assert found.val is None and found.notes == ()
    assert stems(found.train) == [*range(5, 10), *range(5)]


def test_several_sets_without_a_hint_are_named_in_one_line(tmp_path, drawn):
    LAYOUTS["voc"][0](tmp_path, drawn)
    drawn.coco(tmp_path / "export.json", EVERY)
    with pytest.raises(
        NanodetError, match=r"2 sets of annotations: .*export.json \(coco\), .*annotations \(voc\)"
    ):
        discover(tmp_path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: None, "it is empty"),
        (lambda root: (root / "a.txt").write_text("words"), "no annotations in a known format"),
        (lambda root: Drawn(2).coco(root / "a.json", range(2)), "has annotations, but no images"),
        (lambda root: (root / "data.yaml").write_text("train: nowhere\n"), "no 'nowhere'"),
    ],
)  # fmt: skip
def test_what_is_no_data_set_is_said(make, words, tmp_path):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    make(folder)
    with pytest.raises(NanodetError, match=words) as caught:
        discover(folder)
    assert "\n" not in str(caught.value)
    assert "--format" not in str(caught.value)  # which init and doctor do not have
    with pytest.raises(NanodetError, match="no such folder or file"):
        discover(folder / "none")
