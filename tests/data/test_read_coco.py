"""COCO's JSON: what is read, and every kind of broken content."""

import json

import pytest
from coco_files import box, coco
from refusals import fails

from nanodet.data.read import read_annotations


def test_coco_categories_by_id_and_pictures_without_boxes(tmp_path, images):
    data = read_annotations("coco", images, coco(tmp_path), class_names=["x y", "z"])
    assert data.class_names == ("x y", "z")
    assert data.category_ids == (2, 5)
    first, second = data.pictures
    assert first.labels.tolist() == [1, 0]
    assert first.areas.tolist() == [120, 25]
    assert (second.width, second.height, len(second.boxes)) == (40, 30, 0)


def test_coco_crowd_ignore_and_mended_boxes(tmp_path, images):
    entries = [
        box(1, 7, [0, 0, 9, 9], iscrowd=1, area=50),
        box(2, 7, [0, 0, 8, 8], ignore=1),
        box(3, 7, [30, 20, 20, 20]),  # reaches outside
        box(4, 7, [50, 50, 5, 5]),  # outside
        box(5, 7, [5, 5, 0, 5]),  # no width
        box(6, 7, [-3.0, 5, 2, 5]),  # outside on the left
    ]
    data = read_annotations("coco", images, coco(tmp_path, annotations=entries))
    picture = data.pictures[0]
    assert picture.boxes.tolist() == [[30, 20, 40, 30]]
    assert picture.areas.tolist() == [100]
    assert picture.ignored_crowd.tolist() == [True, False]
    assert picture.ignored_areas.tolist() == [50, 64]
    assert len(data.problems) == 4
    assert "annotation 3" in data.problems[0]
    assert "clipped" in data.problems[0]
    assert all("left out" in line for line in data.problems[1:])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"annotations": [box(9, 99, [1, 1, 2, 2])]}, ["annotation 9", "image_id 99"]),
        ({"annotations": [box(9, 7, [1, 1, 2, 2], 77)]}, ["annotation 9", "category_id 77"]),
        ({"annotations": [box(9, 7, [1, 1, 2])]}, ["annotation 9", "bbox"]),
        ({"annotations": [box(9, 7, [1, 1, "2", 2])]}, ["annotation 9", "bbox"]),
        ({"annotations": [box(9, 7, [1, 1, None, 2])]}, ["annotation 9", "bbox"]),
        ({"annotations": [box(9, 7, [1, float("nan"), 2, 2])]}, ["annotation 9", "bbox"]),
        ({"annotations": [box(9, [7], [1, 1, 2, 2])]}, ["annotation 9", "image_id"]),
        ({"annotations": [box(9, 7, [1, 1, 2, 2], area="big")]}, ["annotation 9", "area"]),
        ({"annotations": [{"id": 4, "image_id": 7, "category_id": 5}]}, ["annotation 4", "bbox"]),
        ({"annotations": [3]}, ["annotations[0]"]),
        ({"annotations": None}, ["annotations"]),
        ({"annotations": [box(9, 7, [1, 1, 10**400, 2])]}, ["annotation 9", "bbox"]),
        ({"annotations": [box(9, 7, [1, 1, True, 2])]}, ["annotation 9", "bbox"]),
        ({"annotations": [box(9, True, [1, 1, 2, 2])]}, ["annotation 9", "image_id True"]),
        (
            {"annotations": [box(9, 7, [1, 1, 2, 2], iscrowd="no")]},
            ["annotation 9", "iscrowd 'no'"],
        ),
        ({"annotations": [box(9, 7, [1, 1, 2, 2], ignore=[1])]}, ["annotation 9", "ignore [1]"]),
        ({"annotations": [box(9, 7, [1, 1, 2, 2], area=10**400)]}, ["annotation 9", "area"]),
        ({"images": [{"id": True, "file_name": "a.jpg"}]}, ["images[0]", "id"]),
        ({"images": [{"id": 7, "file_name": "a\0.jpg"}]}, ["image 7", "'a\\x00.jpg'"]),
        ({"images": [{"id": 7, "file_name": "\ud800.jpg"}]}, ["image 7", "'\\ud800.jpg'"]),
        ({"images": [{"id": 7, "file_name": "a.jpg", "width": -1}]}, ["image 7", "width -1"]),
        ({"images": [{"id": 7, "file_name": "a.jpg", "height": 10**400}]}, ["image 7", "height"]),
        ({"images": [{"id": 7, "file_name": "a.jpg", "width": "40"}]}, ["image 7", "width '40'"]),
        ({"categories": [{"id": n, "name": ["x"]} for n in (2, 5)]}, ["class name ['x']"]),
        ({"categories": [{"id": n, "name": "x"} for n in (2, 5)]}, ["'x' occurs twice"]),
        ({"images": []}, ["annotation 1", "image_id 7"]),
        ({"images": [{"id": 7}]}, ["image 7", "file_name"]),
        ({"images": [{"file_name": "a.jpg"}]}, ["images[0]", "id"]),
        ({"images": [], "annotations": []}, ["no images"]),
        ({"categories": []}, ["no categories"]),
    ],
)
def test_coco_broken_content(tmp_path, images, changes, words):
    fails("coco.json", *words, name="coco", img=images, ann=coco(tmp_path, **changes))


def test_coco_flags_and_areas_in_odd_forms(tmp_path, images):
    entries = [
        box(1, 7, [0, 0, 9, 9], iscrowd="0", ignore=False),
        box(2, 7, [0, 0, 8, 8], iscrowd="1"),
        box(3, 7, [0, 0, 7, 7], iscrowd=None, area=-4),
        box(4, 7, [0, 0, 6, 6], area=float("inf")),
        box(5, 7.0, [0, 0, 1e308, 1e308], 5.0),
    ]
    data = read_annotations("coco", images, coco(tmp_path, annotations=entries))
    picture = data.pictures[0]
    assert picture.boxes[:, 2].tolist() == [9, 7, 6, 40]
    assert picture.areas.tolist() == [81, 49, 36, 1200]
    assert picture.ignored.tolist() == [[0, 0, 8, 8]]
    assert [line.split(": ")[1] for line in data.problems] == [f"annotation {n}" for n in (5, 3, 4)]


def test_coco_without_annotations(tmp_path, images):
    path = coco(tmp_path)
    content = json.loads(path.read_text())
    del content["annotations"]
    path.write_text(json.dumps(content))
    fails("coco.json", "annotations", name="coco", img=images, ann=path)
    data = read_annotations("coco", images, path, annotated=False)
    assert [len(picture.boxes) for picture in data.pictures] == [0, 0]


@pytest.mark.parametrize(
    "text", ["1" * 5000, "", "  \n", "{", "[1, 2]", "null", '{"images": []}', "[" * 99999]
)
def test_coco_broken_file(tmp_path, images, text):
    path = tmp_path / "coco.json"
    path.write_text(text)
    fails("coco.json", name="coco", img=images, ann=path)


def test_coco_other_errors(tmp_path, images):
    ann = coco(tmp_path)
    fails("(two, five)", "(a, b, c)", name="coco", img=images, ann=ann, class_names=list("abc"))
    fails("gone.json", name="coco", img=images, ann=tmp_path / "gone.json")
    fails("gone", name="coco", img=tmp_path / "gone", ann=ann)
    fails("known are", "voc", name="kitti", img=images, ann=ann)
    (tmp_path / "coco.bin").write_bytes(b"\xff\xfe\x00\x80")
    fails("coco.bin", name="coco", img=images, ann=tmp_path / "coco.bin")
    (images / "a.jpg").unlink()
    fails("a.jpg", "missing", name="coco", img=images, ann=ann)
