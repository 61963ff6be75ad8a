"""CreateML's JSON and TensorFlow's CSV, as Roboflow exports them too."""

import json

import pytest
from refusals import fails

from nanodet.data.read import read_annotations
from nanodet.data.recognise import recognise


def createml(*objects, name="a.jpg"):
    return {"image": name, "annotations": list(objects)}


OBJECT = {"label": "cat", "coordinates": {"x": 10, "y": 8, "width": 8, "height": 6}}
HEAD = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def test_createml(tmp_path, images):
    path = tmp_path / "_annotations.createml.json"
    path.write_text(json.dumps([createml(OBJECT), createml(name="b.jpg")]))
    assert recognise(path) == "CreateMlDataset"
    data = read_annotations("createml", images, path)
    assert [p.boxes.tolist() for p in data.pictures] == [[[6, 5, 14, 11]], []]


def test_csv(tmp_path, images):
    path = tmp_path / "_annotations.csv"
    path.write_text(
        HEAD + "a.jpg,40,30,cat,6,5,14,11\nb.jpg,40,30,dog,1,2,3,4\na.jpg,40,30,dog,1,2,3,4\n"
    )
    assert recognise(path) == "CsvDataset"
    data = read_annotations("csv", images, path)
    assert [p.boxes.tolist() for p in data.pictures] == [
        [[6, 5, 14, 11], [1, 2, 3, 4]],
        [[1, 2, 3, 4]],
    ]
    assert data.class_names == ("cat", "dog")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_csv_of_a_spreadsheet(tmp_path, images, separator):
    path = tmp_path / "labels.csv"
    text = (HEAD + "a.jpg,40,30,cat,6,5,14,11\n").replace(",", separator).replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())  # as Excel marks UTF-8
    assert recognise(path) == "CsvDataset"
    data = read_annotations("csv", images, path)
    assert [p.boxes.tolist() for p in data.pictures] == [[[6, 5, 14, 11]]]


def with_box(**changes):
    return [createml({**OBJECT, "coordinates": {**OBJECT["coordinates"], **changes}})]


WRONG = {
    "createml": [
        ([], "not a CreateML annotation file"), ([5], "[0]: 5 is not an object"),
        ([{"annotations": []}], "[0]: image None is not the name"),
        ([createml(5)], "[0]: annotations[0]: 5 is not an object"),
        ([createml({"label": ""})], "annotations[0]: label '' is not a name"),
        ([createml({"label": "cat"})], "annotations[0]: coordinates None is not an object"),
        (with_box(width=None), "annotations[0] has no 'width'"),
        (with_box(x="z"), "annotations[0]: x 'z' is not a number"),
    ],
    "csv": [
        ("", "is empty"), ("filename,width\n", "line 1: no column 'height'"), (HEAD, "has no images"),
        (HEAD + "a.jpg,40,30\n", "line 2: 3 values, where 8"),
        (HEAD + "a.jpg,40,30,cat,6,5,x,11\n", "line 2: xmax 'x' is not a number"),
        (HEAD + "a.jpg,40,30,,6,5,1,11\n", "line 2: has no 'class'"),
        (HEAD + "a.jpg,q,30,cat,6,5,9,11\n", "line 2: width 'q' is not a number"),
        (HEAD + "a.jpg,40,30,cat,6,5,9,11\na.jpg,41,30,cat,6,5,9,11\n", "line 3: width 41 and height 30"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_lists(tmp_path, images, kind):
    for content, words in WRONG[kind]:
        path = tmp_path / "a.file"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        fails("a.file: ", words, name=kind, img=images, ann=path)
