"""VIA's projects and exports: their quirks, and wrong files."""

import json
import shutil

import pytest
from refusals import fails

from nanodet.data.read import read_annotations
from nanodet.data.recognise import recognise

RECT = {"name": "rect", "x": 1, "y": 2, "width": 8, "height": 6}


def region(shape=RECT, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


def images_of(*regions, name="a.jpg", size=1234):
    return {f"{name}{size}": {"filename": name, "size": size, "regions": list(regions)}}


def project(metadata, **attributes):
    return {
        "_via_settings": {"ui": {}, "core": {"filepath": {}, "default_filepath": "C:\\x\\"}, "project": {}},
        "_via_img_metadata": metadata, "_via_attributes": {"region": attributes, "file": {}},
        "_via_data_format_version": "2.0.10", "_via_image_id_list": list(metadata),
    }  # fmt: skip


def chosen(kind, *options):
    return {
        "type": kind,
        "description": "",
        "options": dict.fromkeys(options, ""),
        "default_options": {},
    }


@pytest.fixture
def via(tmp_path):
    def write(content, name="via.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_every_shape_of_a_project(via, images):
    metadata = images_of(
        region(kind="cat"),
        region(
            {"name": "polygon", "all_points_x": [1, 5, 3], "all_points_y": [2, 9, 4]}, kind="dog"
        ),
        region({"name": "circle", "cx": 20, "cy": 15, "r": 5}, kind="cat"),
        region(
            {"name": "ellipse", "cx": 20, "cy": 15, "rx": 4, "ry": 2, "theta": 1.5707963},
            kind="cat",
        ),
        region({"name": "point", "cx": 1, "cy": 1}, kind="cat"),
        region({"name": "polyline", "all_points_x": [1, 2], "all_points_y": [1, 2]}),
    ) | images_of(name="b.jpg", size=-1)
    path = via(
        project(metadata, kind=chosen("dropdown", "dog", "cat", "cow"), note={"type": "text"})
    )
    assert recognise(path) == "ViaDataset"
    data = read_annotations("via", images, path)
    assert data.class_names == ("dog", "cat", "cow")
    first, second = data.pictures
    assert first.boxes.round(3).tolist() == [
        [1, 2, 9, 8],
        [1, 2, 5, 9],
        [15, 10, 25, 20],
        [18, 11, 22, 19],
    ]
    assert first.labels.tolist() == [1, 0, 1, 1]
    assert len(second.boxes) == 0
    assert data.notes[0].endswith("left out: 1 point, 1 polyline")


def test_which_attribute_is_the_class(via, images):
    def read(*regions, **attributes):
        data = read_annotations("via", images, via(project(images_of(*regions), **attributes)))
        return data.class_names, data.pictures[0].labels.tolist()

    text = {"type": "text", "description": ""}
    assert read(region(note="", kind="cat")) == (("cat",), [0])
    assert read(region(note="big", kind="cat"), note=text, kind=chosen("radio", "cat")) == (
        ("cat",),
        [0],
    )
    assert read(region(Class="cat", kind="x", colour="red")) == (("cat",), [0])
    both = region(kind={"cat": True, "dog": True, "cow": False})
    assert read(both, kind=chosen("checkbox", "cat", "dog")) == (("cat", "dog"), [0, 1])
    assert read(region()) == (("object",), [0])
    file = via(project(images_of(region(a="x", b="y"))))
    fails("via.json: ", "is unclear (a, b)", name="via", img=images, ann=file)


def test_blanks_at_the_ends_of_options_make_no_classes(via, images):
    metadata = images_of(region(kind="cat"), region(kind={" dog ": True, "dog": "true"}))
    kinds = chosen("checkbox", "cat ", "dog", " cat", " ")
    assert read_annotations("via", images, via(project(metadata, kind=kinds))).class_names == (
        "cat",
        "dog",
    )


def test_exports_and_files_of_version_1(via, images):
    (images / "mon").mkdir()
    (images / "a.jpg").rename(images / "mon" / "a.jpg")
    one = images_of(region(kind="cat"))
    one["a.jpg1234"]["regions"] = {"0": region(kind="cat")}
    path = via(one)
    assert recognise(path) == "ViaDataset"
    assert read_annotations("via", images, path).pictures[0].boxes.tolist() == [[1, 2, 9, 8]]
    shape = json.dumps(RECT).replace('"', '""')
    lines = [
        "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes",
        f'a.jpg,1234,"{{}}",1,0,"{shape}","{{""kind"":""cat""}}"',
        'b.jpg,1235,"{}",0,0,"{}","{}"',
    ]
    for start in ("#", ""):
        path = via("\r\n".join(lines).replace("#", start), "via.csv")
        assert recognise(path) == "ViaDataset"
        first, second = read_annotations("via", images, path).pictures
        assert (first.boxes.tolist(), len(second.boxes)) == ([[1, 2, 9, 8]], 0)


def test_files_of_the_same_name_are_told_by_their_bytes(via, images):
    for day in ("mon", "tue"):
        (images / day).mkdir()
        shutil.copy(images / "a.jpg", images / day / "a.jpg")
    (images / "a.jpg").unlink()
    with open(images / "tue" / "a.jpg", "ab") as file:
        file.write(b"\0" * 5)
    sizes = [(images / day / "a.jpg").stat().st_size for day in ("tue", "mon")]
    metadata = {}
    for x, size in enumerate(sizes, 1):
        metadata |= images_of(region({**RECT, "x": x}, k="cat"), size=size)
    pictures = read_annotations("via", images, via(metadata)).pictures
    assert [(p.path.parent.name, p.boxes[0, 0]) for p in pictures] == [("tue", 1), ("mon", 2)]


WRONG = {
    "cut": ('{"_via_settings": {', "not valid JSON"),
    "list": ("[1]", "this annotation file [1] is not an object"),
    "empty": (project({}), "has no images"),
    "metadata": (project({}) | {"_via_img_metadata": 5}, "_via_img_metadata 5 is not an object"),
    "image": ({"a": 5}, "a: 5 is not an object"),
    "filename": ({"a": {"filename": 5, "regions": []}}, "a: filename 5 is not the name"),
    "regions": (images_of() | {"a.jpg1": {"filename": "a.jpg", "regions": 5}}, "a.jpg1: regions 5"),
    "region": (images_of(5), "a.jpg1234: regions[0]: 5 is not an object"),
    "shape": (images_of({"region_attributes": {}}), "regions[0]: shape_attributes None"),
    "kind": (images_of(region({"name": "blob"}, k="x")), "regions[0]: shape 'blob' is not known"),
    "side": (images_of(region({"name": "rect", "x": 1}, k="x")), "regions[0] has no 'y'"),
    "value": (images_of(region({**RECT, "x": "q"}, k="x")), "regions[0]: x 'q' is not a number"),
    "points": (
        images_of(region({"name": "polygon", "all_points_x": [1], "all_points_y": []}, k="x")),
        "all_points_x and all_points_y have 1 and 0 values",
    ),
    "no class": (images_of(region(k="x"), region(k="")), "regions[1]: has no 'k', its class"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_of_via(via, images, case):
    content, words = WRONG[case]
    fails("via.json: ", words, name="via", img=images, ann=via(content))


def test_wrong_lines_of_csv(via, images):
    head = "filename,region_count,region_shape_attributes,region_attributes\n"
    for text, words in (
        ("", "is empty"), ("filename,x\n", "line 1: no column 'region_count'"),
        (head + "a.jpg,1\n", "line 2: 2 values, where 4"),
        (head + "a.jpg,1,{,{}\n", "line 2: region_shape_attributes '{' is not valid JSON"),
        (head + ",0,{},{}\n", "line 2: filename ''"), (head, "has no images"),
    ):  # fmt: skip
        fails("via.csv: ", words, name="via", img=images, ann=via(text, "via.csv"))
