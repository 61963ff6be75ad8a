"""LabelMe's JSON files: their quirks, and wrong ones."""

import json

import pytest
from refusals import fails

from nanodet.data.read import read_annotations
from nanodet.data.recognise import recognise


def shape(label, points, kind="rectangle", **more):
    return {"label": label, "points": points, "group_id": None, "description": "", "shape_type": kind,
            "flags": {}, "mask": None, **more}  # fmt: skip


def content(*shapes, **changes):
    return {"version": "5.7.0", "flags": {}, "shapes": list(shapes), "imagePath": "a.jpg",
            "imageData": None, "imageHeight": 30, "imageWidth": 40, **changes}  # fmt: skip


@pytest.fixture
def labelme(tmp_path):
    def write(text, name="a.json"):
        file = tmp_path / "json" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if isinstance(text, str) else json.dumps(text))
        return tmp_path / "json"

    return write


def test_every_shape_of_labelme(labelme, images):
    labelme("{}", "colours.json")
    old = shape("dog", [[1, 2], [5, 9], [3, 4]])
    del old["shape_type"], old["group_id"]  # version 3
    folder = labelme(
        content(
            shape("cat", [[9.5, 8], [1, 2]]), old,
            shape("dog", [[20, 15], [23, 19]], "circle"),
            shape("cat", [[4, 5], [6, 6]], "mask", mask="iVBORw0KGgo="),
            shape("cat", [[10, 10], [14, 10], [12, 12]], "polygon", group_id=3),
            shape("cat", [[20, 20], [24, 20], [22, 22]], "polygon", group_id=3),
            shape("dog", [[10, 10], [14, 10], [12, 12]], "polygon", group_id=3),
            shape("cat", [[1, 1], [3, 2], [2, 4], [0, 3]], "oriented_rectangle"),
            shape("nose", [[1, 1]], "point"), shape("tail", [[1, 1], [2, 2]], "line"),
            shape("cat", [[1, 1], [4, 4]], difficult=True),
        )
    )  # fmt: skip
    assert recognise(folder) == "LabelMeDataset"
    data = read_annotations("labelme", images, folder)
    assert data.class_names == ("cat", "dog")
    (picture,) = data.pictures
    assert picture.boxes.tolist() == [
        [1, 2, 9.5, 8], [1, 2, 5, 9], [15, 10, 25, 20], [4, 5, 7, 7], [10, 10, 24, 22],
        [10, 10, 14, 12], [0, 1, 3, 4],
    ]  # fmt: skip
    assert picture.labels.tolist() == [0, 1, 1, 0, 0, 1, 0]
    assert picture.ignored.tolist() == [[1, 1, 4, 4]]
    assert data.notes[0].endswith("not LabelMe's, left out: colours.json")
    assert data.notes[1].endswith("left out: 1 line, 1 point")
    assert data.counts.without_labels == 1


@pytest.mark.parametrize("path", ["..\\images\\b.jpg", "C:\\x\\b.jpg", "../images/b.jpg", "", None])
def test_images_by_path_name_and_stem(labelme, images, path):
    changes = {"imagePath": path, "imageHeight": None, "imageWidth": None}
    folder = labelme(content(shape("cat", [[1, 2], [5, 9]]), **changes), "b.json")
    data = read_annotations("labelme", images, folder)
    assert [p.path.name for p in data.pictures] == ["b.jpg"]
    assert (data.pictures[0].width, data.pictures[0].height) == (40, 30)


def test_json_beside_its_image_in_folders_and_a_large_image_in_it(images, tmp_path):
    for day in ("mon", "tue"):
        (images / day).mkdir()
        (images / day / "a.jpg").write_bytes((images / "a.jpg").read_bytes())
        x = len(day) + (day == "tue")
        text = json.dumps(content(shape("cat", [[x, 2], [9, 9]]), imageData="A" * 9_000_000))
        (images / day / "a.json").write_text(text)
    assert recognise(images) == "LabelMeDataset"
    data = read_annotations("labelme", images, images)
    assert [(p.path.parent.name, p.boxes[0, 0]) for p in data.pictures] == [("mon", 3), ("tue", 4)]
    (tmp_path / "list.txt").write_text("tue/a.jpg\n")
    (picture,) = read_annotations("labelme", images, images, tmp_path / "list.txt").pictures
    assert picture.path.parent.name == "tue"


WRONG = {
    "cut": ('{"shapes": [{"label"', "not valid JSON"),
    "no shapes": ({"version": "5"}, "no 'shapes'"),
    "misspelt": ({"shape": [], "imagePath": "a.jpg"}, "a.json: has no 'shapes'"),
    "shapes": (content() | {"shapes": {"a": 1}}, "shapes {'a': 1} is not a list"),
    "shape": (content(5), "shapes[0]: 5 is not an object"),
    "no label": (content({"points": [[1, 2], [3, 4]]}), "shapes[0]: has no 'label'"),
    "label": (content(shape(5, [[1, 2], [3, 4]])), "shapes[0]: label 5 is not a name"),
    "points": (content(shape("cat", [[1, 2], [3]])), "shapes[0] (cat): points [[1, 2], [3]]"),
    "no points": (content(shape("cat", None)), "shapes[0] (cat): points None"),
    "count": (content(shape("cat", [[1, 2]])), "shapes[0] (cat): a rectangle of 1 points"),
    "kind": (content(shape("cat", [[1, 2]], "blob")), "shape_type 'blob' is none of"),
    "path": (content(imagePath=7), "imagePath 7 is not the name of an image"),
    "size": (content(imageWidth=-4), "imageWidth -4 is not a number of pixels"),
    "other size": (content(shape("cat", [[1, 2], [3, 4]]), imageWidth=41), "41"),
    "group": (content(shape("cat", [[1, 2], [3, 4]], group_id=[1])), "group_id [1]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_of_labelme(labelme, images, case):
    text, words = WRONG[case]
    fails("a.j", words, name="labelme", img=images, ann=labelme(text))
