"""Label Studio's exports JSON and JSON-MIN: their quirks, and wrong files."""

import base64
import json

import pytest
from refusals import fails

from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.data.recognise import recognise
from nanodet.errors import NanodetError


def region(kind="rectangle", labels=("cat",), size=(40, 30), **value):
    sides = dict(zip(("original_width", "original_height"), size, strict=True)) if size else {}
    return {**sides, "image_rotation": 0, "value": {**value, f"{kind}labels": list(labels)}, "id": "x",
            "from_name": "label", "to_name": "image", "type": f"{kind}labels"}  # fmt: skip


def rectangle(x, y, w, h, **more):
    return region(x=x, y=y, width=w, height=h, rotation=0, **more)


def annotation(*results, **more):
    return {"id": 1, "completed_by": 1, "result": list(results), "was_cancelled": False,
            "ground_truth": False, "created_at": "2024-01-30T02:40:43Z", "updated_at": "2024-01-30T02:40:43Z",
            "lead_time": 8.65, **more}  # fmt: skip


def task(*annotations, image="/data/upload/29/0a1b2c3d-a.jpg", **more):
    return {"id": 87, "annotations": list(annotations), "drafts": [], "predictions": [{"result": 5}],
            "data": {"image": image}, "meta": {}, "project": 29, **more}  # fmt: skip


@pytest.fixture
def studio(tmp_path):
    def write(*tasks):
        path = tmp_path / "project-29.json"
        path.write_text(tasks[0] if isinstance(tasks[0], str) else json.dumps(tasks))
        return path

    return write


def test_every_region_of_label_studio(studio, images):
    path = studio(
        task(
            annotation(
                rectangle(25, 50, 50, 25),
                region(x=50, y=50, width=25, height=20, rotation=90),  # turned around its corner
                region("polygon", ["dog"], points=[[10, 10], [20, 10], [15, 30]], closed=True),
                region("ellipse", x=50, y=50, radiusX=10, radiusY=20, rotation=0),
                region(
                    "", ["dog"], x=0, y=0, width=50, height=50, rotation=0
                ),  # Labels and Rectangle
                rectangle(0, 0, 10, 10, labels=("cat", "dog")),
                rectangle(0, 0, 10, 10, labels=()),
                region("brush", format="rle", rle=[0, 0, 1]),
                region("keypoint", x=1, y=1, width=0.5),
                {"from_id": "x", "to_id": "y", "type": "relation", "direction": "right"},
                {
                    "value": {"choices": ["day"]},
                    "type": "choices",
                    "from_name": "c",
                    "to_name": "image",
                },
            )
        ),
        task(annotation(), image="http://host/x/b.jpg?token=/c.png", id=88),
    )
    assert recognise(path) == "LabelStudioDataset"
    data = read_annotations("labelstudio", images, path)
    assert data.class_names == ("cat", "dog")
    first, second = data.pictures
    assert first.boxes.round(3).tolist() == [
        [10, 15, 30, 22.5], [14, 15, 20, 25], [4, 3, 8, 9], [16, 9, 24, 21], [0, 0, 20, 15], [0, 0, 4, 3],
        [0, 0, 4, 3],
    ]  # fmt: skip
    assert first.labels.tolist() == [0, 0, 1, 0, 1, 0, 1]
    assert (second.path.name, len(second.boxes)) == ("b.jpg", 0)
    assert data.notes[-1].endswith("left out: 1 brush, 1 choices, 1 keypoint, 1 rectangle")


def test_which_annotation_counts(studio, images):
    def boxes(*some):
        other = task(annotation(rectangle(0, 0, 9, 9)), image="b.jpg", id=9)
        data = read_annotations("labelstudio", images, studio(task(*some), other))
        shown = {picture.path.name: picture.boxes[:, 0].tolist() for picture in data.pictures}
        return shown.get("a.jpg"), " ".join(data.notes)

    early = annotation(rectangle(25, 0, 9, 9), updated_at="2024-01-01")
    late = annotation(rectangle(50, 0, 9, 9), updated_at="2024-02-01")
    assert boxes(late, early)[0] == [20]
    found, note = boxes({**early, "ground_truth": True}, late)
    assert found == [10] and "1 of 2 tasks have several annotations" in note
    assert boxes({**late, "was_cancelled": True}, early) == ([10], "")
    for nothing in ([], [{**late, "was_cancelled": True}]):
        found, note = boxes(*nothing)
        assert found is None and "1 of 2 tasks have no annotation: left out" in note


S3 = base64.b64encode(b"s3://bucket/mon/a.jpg").decode().rstrip("=")


@pytest.mark.parametrize(
    "value",
    [
        "a.jpg", "/data/upload/29/0a1b2c3d-a.jpg", "/data/local-files/?d=mon%2Fa.jpg", "s3://bucket/x/a.jpg",
        "/data/local-files/?d=mon/a.jpg", "gs://b/a.jpg", "http://host/a.jpg?x=1", "C:\\x\\a.jpg",
        f"/tasks/87/resolve/?fileuri={S3}", "upload/1/0a1b2c3d-a%2Ejpg",
    ],
)  # fmt: skip
def test_images_by_every_kind_of_link(studio, images, value):
    path = studio(task(annotation(rectangle(0, 0, 9, 9)), image=value))
    assert read_annotations("labelstudio", images, path).pictures[0].path == images / "a.jpg"


@pytest.mark.parametrize("name", ["a.jpg", "0a1b2c3d-a", "data/upload/29/0a1b2c3d-a.jpg"])
def test_a_list_of_any_of_the_names(studio, images, tmp_path, name):
    other = task(annotation(), image="/data/upload/29/11112222-b.jpg", file_upload="11112222-b.jpg")
    path = studio(task(annotation(), file_upload="0a1b2c3d-a.jpg"), other)
    (tmp_path / "list.txt").write_text(name + "\n")
    data = read_annotations("labelstudio", images, path, tmp_path / "list.txt", ["cat"])
    assert [picture.path.name for picture in data.pictures] == ["a.jpg"]


def test_an_upload_loses_blanks_and_brackets(studio, images):
    (images / "a.jpg").rename(images / "my photo (1).jpg")
    path = studio(
        task(annotation(rectangle(0, 0, 9, 9)), image="/data/upload/1/0a1b2c3d-my_photo_1.jpg")
    )
    assert read_annotations("labelstudio", images, path).pictures[0].path.name == "my photo (1).jpg"


def test_two_uploads_are_never_one_file(studio, images):
    """Both were called a.jpg; which of them is here, nobody knows. Two tasks of one upload are one image."""
    first = task(annotation(rectangle(0, 0, 9, 9)), image="/data/upload/1/11111111-a.jpg")
    second = task(annotation(rectangle(9, 9, 9, 9)), image="/data/upload/1/22222222-a.jpg", id=88)
    third = task(annotation(rectangle(0, 0, 9, 9)), image="b.jpg", id=89)
    ann = studio(first, second, third)
    with pytest.raises(
        NanodetError, match=r"2 of 3 .*11111111-a.jpg \(may be .*a.jpg, as others\)"
    ):
        read_annotations("labelstudio", images, ann)
    lax = Reading(missing_images="skip")
    (left,) = read_annotations("labelstudio", images, ann, reading=lax).pictures
    assert left.path.name == "b.jpg"
    exact = task(annotation(rectangle(0, 0, 9, 9)), image="a.jpg", id=90)
    found = read_annotations("labelstudio", images, studio(first, exact), reading=lax)
    assert [picture.boxes[0, 0] for picture in found.pictures] == [0] and "1 of 2" in found.notes[
        -1
    ]
    found = read_annotations("labelstudio", images, studio(first, first | {"id": 5}))
    assert [picture.path.name for picture in found.pictures] == ["a.jpg", "a.jpg"]


def test_json_min(studio, images):
    one = {"x": 25, "y": 50, "width": 50, "height": 25, "rotation": 0, "rectanglelabels": ["cat"],
           "original_width": 40, "original_height": 30}  # fmt: skip
    entry = {"photo": "/data/upload/29/0a1b2c3d-a.jpg", "id": 1, "label": [one], "mood": "good",
             "annotator": 1, "annotation_id": 2, "created_at": "2024", "updated_at": "2024-01",
             "lead_time": 3.5}  # fmt: skip
    again = {**entry, "updated_at": "2024-02", "label": [{**one, "x": 0}]}
    path = studio(again, entry, {**entry, "id": 2, "photo": "b.jpg", "label": []})
    assert recognise(path) == "LabelStudioDataset"
    first, second = read_annotations("labelstudio", images, path).pictures
    assert (first.boxes.tolist(), len(second.boxes)) == ([[0, 15, 20, 22.5]], 0)
    bare = {key: value for key, value in one.items() if key != "rectanglelabels"}
    brush = {"format": "rle", "rle": [0, 1], "brushlabels": ["cat"]}
    path = studio({**entry, "label": [one, bare], "mask": [brush], "tags": [{"text": "x"}]})
    data = read_annotations("labelstudio", images, path)
    assert len(data.pictures[0].boxes) == 1
    assert data.notes == [
        f"{path}: regions without a box or a label are left out: 1 brush, 1 other"
    ]


WRONG = {
    "cut": (['[{"data"'], "not valid JSON"),
    "object": (['{"data": {}}'], "not a Label Studio export"),
    "no task": ([5], "[0]: 5 is not an object"),
    "data": ([task() | {"data": 5}], "[0] (id 87): data 5 is not an object"),
    "no image": ([{"id": 1, "data": {"text": "x"}, "annotations": []}], "no key with the name of an image"),
    "images": (
        [task(annotation()) | {"data": {"left": "a.jpg", "right": "b.jpg"}}],
        "several keys with an image: left, right",
    ),
    "embedded": ([task(annotation(), image="data:image/png;base64,AAAA")], "is not the name of an image"),
    "result": ([task({"result": 5})], "annotations[0]: result 5 is not a list"),
    "region": ([task(annotation(5))], "annotations[0].result[0]: 5 is not an object"),
    "no side": ([task(annotation(region(x=1, y=2, height=3)))], "result[0] (cat) has no 'width'"),
    "side": ([task(annotation(rectangle(1, None, "x", 3)))], "result[0] (cat) has no 'y'"),
    "number": ([task(annotation(rectangle(1, 1, "x", 3)))], "result[0] (cat): width 'x' is not a number"),
    "label": ([task(annotation(rectangle(1, 1, 2, 3, labels=(5,))))], "result[0]: label 5 is not a name"),
    "points": ([task(annotation(region("polygon", points=[])))], "result[0] (cat): points []"),
    "size": ([task(annotation(rectangle(1, 1, 2, 3, size=(41, 30))))], "41"),
    "turned": (
        [task(annotation(region(x=1, y=2, width=3, height=3, rotation=5, size=None)))],
        "a rotation, but no original_width",
    ),
    "nothing": ([task()], "none of its 1 tasks has an annotation"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_of_label_studio(studio, images, case):
    content, words = WRONG[case]
    where = "" if case == "size" else "project-29.json: "
    fails(where, words, name="labelstudio", img=images, ann=studio(*content))
