"""Which format a file or folder of annotations has."""

import argparse

import pytest

from nanodet.cli.arguments import format_name
from nanodet.data.formats import FORMATS
from nanodet.data.recognise import recognise
from nanodet.errors import NanodetError


def test_format_is_told_by_the_files(tmp_path):
    for folder, file, kind in (
        ("v", "a.xml", "XMLDataset"), ("y", "a.txt", "YoloDataset"), ("c", "a.json", ""),
    ):  # fmt: skip
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text("")
        if kind:
            assert recognise(tmp_path / folder) == kind
    assert recognise(tmp_path / "c" / "a.json") == "CocoDataset"
    for wrong in (tmp_path / "c", tmp_path / "y" / "a.txt", tmp_path / "absent"):
        with pytest.raises(NanodetError, match=wrong.name):
            recognise(wrong)


UNKNOWN = {
    "a.json": ('{"boxes": [{"x": 1}]}', "an object with the keys boxes"),
    "b.json": ('[{"x": 1}]', "a list of objects with the keys x"),
    "a.xml": ("<?xml version='1.0'?><!-- <annotation> --><dataset/>", "<dataset>"),
    "v.xml": ("<annotation/>", "is of one image (voc)"),
    "y.txt": ("0 .5 .5 .1 .1", "is of one image (yolo)"),
    "a.bin": ("", ".json"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_unknown_is_named(tmp_path, name):
    content, found = UNKNOWN[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(NanodetError) as caught:
        recognise(tmp_path / name)
    line = str(caught.value)
    assert "\n" not in line
    for word in (str(tmp_path / name), found, "--format"):
        assert word in line, line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 9999, "a.json is JSON without keys: [...]; --format"),
        (
            '{"a": 1}'.encode("utf-16").decode("latin1"),
            "a.json is not a text file in UTF-8; --format",
        ),
        ("cat 1 2", "a.json is text that begins with cat 1 2; --format"),
        ('{"a": 1}', "a.json is JSON, an object with the keys a; --format"),
    ],
)
def test_what_is_unknown_in_a_folder_is_named(tmp_path, content, words):
    (tmp_path / "a.json").write_bytes(content.encode("latin1"))
    with pytest.raises(NanodetError) as caught:
        recognise(tmp_path)
    assert words in str(caught.value)


def test_other_files_of_a_folder_do_not_count(tmp_path):
    for n in range(3):
        (tmp_path / f"a{n}.txt").write_text("")
    (tmp_path / "b.txt").write_text("0 .5 .5 .1 .1\n")
    (tmp_path / "README.roboflow.txt").write_text("Exported on a day\n")
    (tmp_path / "coco.json").write_text('{"info": {}, "images": [{"id": 1, "file_name": "a"}]}')
    assert recognise(tmp_path) == "YoloDataset"
    (tmp_path / "b.xml").write_text("<annotation>")
    with pytest.raises(NanodetError, match=r"several formats.*--format"):
        recognise(tmp_path)


def test_a_folder_around_one_file_names_the_file(tmp_path):
    (tmp_path / "README.txt").write_text("Exported on a day\n")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.coco.json").write_text('{"annotations": [{"bbox": [')
    with pytest.raises(NanodetError, match=r"the file .*a\.coco\.json \(coco\) is expected"):
        recognise(tmp_path)


BEGINNINGS = {
    "LabelStudioDataset": ['[{"id": 1, "annotations": [{"id": 2, "completed_by": 1, "result": [{"value": {',
                           '[{"photo": "a.jpg", "label": [{"x": 1, "original_width": 40',
                           '[{"id": 1, "data": {"image": "a.jpg"}, "predictions": []}]'],
    "CocoDataset": ['{"categories": [{"id": 1, "name": "' + "x" * 70_000, '{"images": [], "annotations": []',
                    '{"info": {}, "annotations": [{"segmentation": [[1'],
    "ViaDataset": ['{"_via_settings": {"ui"', '{"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": [{'],
    "CreateMlDataset": ['[{"image": "a.jpg", "annotations": [{"label": "cat", "coordinates": {"x"'],
}  # fmt: skip


@pytest.mark.parametrize("name", BEGINNINGS)
def test_the_beginning_is_enough(tmp_path, name):
    for text in BEGINNINGS[name]:
        (tmp_path / "a.json").write_text(text)
        assert recognise(tmp_path / "a.json") == name


def test_every_format_is_in_the_docs(root):
    text = (root / "docs" / "formats.md").read_text()
    for name, one in FORMATS.items():
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        assert all(f"`{short}`" in row for short in one.short if short != "xml_dataset")


def test_the_option_takes_the_names_of_the_table():
    assert [format_name(name) for name in FORMATS] == [one.short[0] for one in FORMATS.values()]
    with pytest.raises(argparse.ArgumentTypeError, match=r"'x' is not one of coco, voc, .*cvat"):
        format_name("x")
