"""CrowdHuman's .odgt: what is read, and every kind of broken line."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import fails
from test_reader_fuzz import BOXES, STRANGE, entry, folder, mostly, read  # noqa: F401

from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading


def person(full, visible=(1, 1, 2, 2), head=(1, 1, 1, 1), **more):
    return {"tag": "person", "fbox": [*full], "vbox": [*visible], "hbox": [*head], **more}


def mask(box):
    return person(box, box, box, head_attr={}, extra={"ignore": 1}) | {"tag": "mask"}


def odgt(tmp_path, *lines):
    path = tmp_path / "a.odgt"
    texts = [
        line if isinstance(line, str) else json.dumps({"ID": line[0], "gtboxes": line[1]})
        for line in lines
    ]
    path.write_text("\n".join(texts))
    return path


TWO = (
    ("a", [
        person((-5, 2, 20, 20), (0, 2, 15, 18), (4, 2, 5, 5), extra={"box_id": 0, "occ": 1}),
        person((20, 5, 10, 20), (20, 5, 9, 9), (22, 5, 4, 4), head_attr={"ignore": 1, "occ": 0}),
        person((30, 5, 8, 20), (30, 5, 7, 7), (32, 5, 3, 3), extra={"ignore": 1}),
        mask((0, 20, 40, 10)),
    ]),
    ("b", []),
)  # fmt: skip


def test_the_chosen_box_and_ignored_regions(tmp_path, images):
    path = odgt(tmp_path, *TWO, "")
    full = read_annotations("odgt", images, path)
    assert full.class_names == ("person",) and not full.problems and full.counts.clipped == 0
    first, second = full.pictures
    assert first.boxes.tolist() == [[0, 2, 15, 22], [20, 5, 30, 25]]  # the part in the image
    assert first.ignored.tolist() == [[30, 5, 38, 25], [0, 20, 40, 30]]
    assert first.ignored_crowd.tolist() == [True, True] and first.ignored_labels.tolist() == [0, 0]
    assert (second.width, second.height, len(second.boxes)) == (40, 30, 0)
    visible = read_annotations("OdgtDataset", images, path, reading=Reading(box="visible"))
    assert visible.pictures[0].boxes.tolist() == [[0, 2, 15, 20], [20, 5, 29, 14]]
    head = read_annotations("odgt", images, path, reading=Reading(box="head"))
    assert head.class_names == ("head",)
    assert head.pictures[0].boxes.tolist() == [[4, 2, 9, 7]]
    assert len(head.pictures[0].ignored) == 3
    # a model of another name is matched by position, one of many classes by name
    assert read_annotations("odgt", images, path, class_names=["human"]).class_names == ("human",)
    many = read_annotations("odgt", images, path, class_names=["car", "Person"])
    assert many.pictures[0].labels.tolist() == [1, 1]
    assert many.pictures[0].ignored_labels.tolist() == [1, 1]


def test_a_mask_is_of_every_class_and_other_tags_are_classes(tmp_path, images):
    rider = person((1, 1, 9, 9)) | {"tag": "rider"}
    path = odgt(tmp_path, ("a", [rider, person((2, 2, 9, 9)), mask((0, 20, 40, 10))]))
    data = read_annotations("odgt", images, path)
    assert data.class_names == ("person", "rider")
    assert data.pictures[0].labels.tolist() == [1, 0]
    assert data.pictures[0].ignored_labels.tolist() == [0, 1]
    fails("'rider' (1 object", "skip", name="odgt", img=images, ann=path, class_names=["person"])
    skip = Reading(unknown_classes="skip")
    data = read_annotations("odgt", images, path, class_names=["person"], reading=skip)
    assert data.pictures[0].labels.tolist() == [0] and len(data.pictures[0].ignored) == 1


def test_images_lists_and_missing_ones(tmp_path, images):
    (images / "b.jpg").rename(images / "b.png")  # found by its name
    path = odgt(tmp_path, *TWO)
    assert [p.path.name for p in read_annotations("odgt", images, path).pictures] == [
        "a.jpg",
        "b.png",
    ]
    (tmp_path / "list.txt").write_text("b\n")
    (only,) = read_annotations("odgt", images, path, tmp_path / "list.txt").pictures
    assert only.path.name == "b.png"
    path = odgt(tmp_path, *TWO, ("27,c9", []))
    fails("a.odgt", "27,c9.jpg", "missing", name="odgt", img=images, ann=path)
    skip = Reading(missing_images="skip")
    assert len(read_annotations("odgt", images, path, reading=skip).pictures) == 2
    text = json.dumps({"ID": "a", "gtboxes": [], "width": 41, "height": 30})
    fails("a.jpg", "41", name="odgt", img=images, ann=odgt(tmp_path, text))


GOOD = json.dumps({"ID": "b", "gtboxes": []})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (GOOD[:-3], ["not valid JSON (ends too early)"]),
        ('{"ID": "a", "gtbo', ["not valid JSON (ends too early)"]),
        ("<xml/>", ["not valid JSON (Expecting value at character 1)"]),
        (GOOD + GOOD, ["not valid JSON (Extra data at character 27)"]),
        ("[" * 100_000, ["not valid JSON"]),
        ('{"ID": "a", "gtboxes": [' + "9" * 5000 + "]}", ["not valid JSON"]),
        ("7", ['{"ID": ..., "gtboxes": [...]} is expected']),
        ("{}", ["has no 'ID'"]),
        ('{"id": "a", "gtboxes": []}', ["has no 'ID'"]),
        ('{"ID": 7, "gtboxes": []}', ["ID 7 is not the name"]),
        ('{"ID": "a\\u0000", "gtboxes": []}', ["ID", "is not the name"]),
        ('{"ID": "\\ud800", "gtboxes": []}', ["ID", "is not the name"]),
        ('{"ID": "a"}', ["has no list 'gtboxes'"]),
        ('{"ID": "a", "boxes": []}', ["has no list 'gtboxes'"]),
        ('{"ID": "a", "gtboxes": {}}', ["has no list 'gtboxes'"]),
        ('{"ID": "a", "gtboxes": [], "width": "40"}', ["width '40'"]),
        ('{"ID": "b", "gtboxes": []}', ["ID 'b' occurs twice, first in line 1"]),
        (("a", [3]), ["gtboxes[0]: 3 is not an object"]),
        (("a", [{"fbox": [1, 1, 2, 2]}]), ["gtboxes[0]: has no 'tag'"]),
        (("a", [{"tag": None, "fbox": [1, 1, 2, 2]}]), ["tag None is not a name"]),
        (("a", [{"tag": "person", "vbox": [1, 1, 2, 2]}]), ["has no 'fbox', which box: full reads"]),
        (("a", [mask((0, 0, 9, 9)), person((1, 1, 2))]), ["gtboxes[1]: fbox [1, 1, 2]"]),
        (("a", [person((1, 1, "2", 2))]), ["fbox"]),
        (("a", [person((1, 1, True, 2))]), ["fbox"]),
        (("a", [person((1, 1, float("nan"), 2))]), ["fbox"]),
        (("a", [person((1, 1, float("inf"), 2))]), ["fbox"]),
        (("a", [person((1, 1, 10**400, 2))]), ["fbox"]),
        (("a", [person((1, 1, 2, 2), extra=[])]), ["extra [] is not an object"]),
        (("a", [person((1, 1, 2, 2), extra={"ignore": 2})]), ["extra.ignore 2 is not 0 or 1"]),
        (("a", [person((1, 1, 2, 2), extra={"ignore": [1]})]), ["extra.ignore [1]"]),
    ],
)  # fmt: skip
def test_a_broken_line_is_named(tmp_path, images, line, words):
    path = odgt(tmp_path, GOOD, "", line)
    fails(f"{path}: line 3: ", *words, name="odgt", img=images, ann=path)


def test_head_boxes_name_the_option(tmp_path, images):
    path = odgt(tmp_path, ("a", [person((1, 1, 2, 2)) | {"hbox": None}]))
    by_option = Reading(box="head", place="--")
    fails("line 1: gtboxes[0]: hbox None", name="odgt", img=images, ann=path, reading=by_option)
    path = odgt(tmp_path, ("a", [{"tag": "person", "fbox": [1, 1, 2, 2]}]))
    fails(
        "has no 'hbox', which --box head reads",
        name="odgt",
        img=images,
        ann=path,
        reading=by_option,
    )
    bad = odgt(tmp_path, ("a", [person((1, 1, 2, 2), head_attr=3)]))
    fails("head_attr 3", name="odgt", img=images, ann=bad, reading=by_option)
    assert len(read_annotations("odgt", images, bad).pictures) == 1  # not read for full boxes


def test_files_that_are_no_text(tmp_path, images):
    path = tmp_path / "a.odgt"
    for content, where in (
        (b"", "is empty"), (b" \n\n", "is empty"), (b"\xff\xfe" + GOOD.encode(), "line 1: not text"),
        (b"%b\n%b\n\0\0" % (GOOD.encode(), GOOD.replace("b", "a").encode()), "line 3: not text"),
        ((GOOD + "\n").encode() + '{"ID": "ü'.encode()[:-1], "line 2: not text"),
    ):  # fmt: skip
        path.write_bytes(content)
        fails(f"{path}: ", where, name="odgt", img=images, ann=path)
    path.unlink()
    os.mkfifo(path)
    fails("a.odgt", "pipe", name="odgt", img=images, ann=path)
    fails("Is a directory", name="odgt", img=images, ann=tmp_path)
    fails("no.odgt", name="odgt", img=images, ann=tmp_path / "no.odgt")


THING = entry(
    tag=mostly("person") | mostly("mask"),
    fbox=st.integers(0, 39).flatmap(lambda n: STRANGE if n == 13 else BOXES),
    vbox=BOXES | STRANGE, hbox=BOXES | STRANGE,
    extra=st.fixed_dictionaries({"ignore": mostly(0) | mostly(1)}) | STRANGE,
)  # fmt: skip
LINES = st.lists(
    entry(ID=st.sampled_from(["a", "b", "c"]) | STRANGE, gtboxes=st.lists(THING, max_size=3)) | STRANGE,
    max_size=2,
)  # fmt: skip


@given(LINES, st.sampled_from([None, "visible", "head"]))
@settings(max_examples=50, deadline=None)
def test_generated_lines(folder, lines, box):  # noqa: F811
    path = folder / "a.odgt"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    data = read("odgt", folder, path, reading=Reading(box=box))
    if data is not None:
        kept = sum(len(p.boxes) + len(p.ignored) for p in data.pictures)
        left_out = sum("left out" in line for line in data.problems)
        assert kept + left_out == sum(len(line["gtboxes"]) for line in lines)


@given(st.text(max_size=30) | st.sampled_from(["1" * 5000, '{"ID": "a", "gtboxes": [1e999]}']))
@settings(max_examples=50, deadline=None)
def test_generated_text(folder, text):  # noqa: F811
    path = folder / "text.odgt"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert read("odgt", folder, path) is None
