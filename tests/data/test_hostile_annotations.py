"""Annotations and specs with huge, deep and endless values: one short line, soon."""

import json

import cv2
import numpy as np
import pytest
from other_formats import DOCUMENTS, changed, places
from specs import NANODET_M

from nanodet.runtime.spec import Spec

READ = "nanodet.data.read:read_annotations"
DIGITS = "9" * 4000  # more are no JSON for Python
DEEP = "[" * 900 + "]" * 900
LONG = '"' + "x" * 3_000_000 + '"'
WIDE = f"[{'[[1]], ' * 5_000}1]"
VALUES = {"digits": DIGITS, "deep": DEEP, "long": LONG, "wide": WIDE, "exponent": "1e999999999"}
OBJECT = (
    "<object><name>a</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    "</object>"
)
XML = f"<annotation><filename>a.png</filename>{OBJECT}</annotation>"
ENTITIES = "".join(
    f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x"}">' for n in range(20)
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    for name in ("images", "labels", "xml"):
        (folder / name).mkdir()
    cv2.imwrite(str(folder / "images" / "a.png"), np.zeros((48, 64, 3), np.uint8))
    (folder / "labels" / "data.yaml").write_text("names: [a]\n")
    return folder


def soon(bounded, function, *arguments):
    """Return the text of a call that must end within its time: its error, or its value."""
    answer = bounded.call(function, *arguments)
    kind, text = answer["error"] or ("NanodetError", answer["value"])
    assert kind == "NanodetError", (kind, text[:500])
    assert len(text) < 2500
    return text


@pytest.mark.parametrize("value", VALUES)
def test_any_value_of_a_coco_file(bounded, folder, value):
    whole = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9],
                         "area": 81, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "a", "supercategory": "b"}],
    }  # fmt: skip
    for section, (entry,) in whole.items():
        for key in entry:
            changed = {**whole, section: [{**entry, key: "@"}]}
            text = json.dumps(changed).replace('"@"', VALUES[value])
            (folder / "a.json").write_text(text)
            soon(bounded, READ, "coco", str(folder / "images"), str(folder / "a.json"))


@pytest.mark.parametrize("value", VALUES)
def test_any_value_of_an_odgt_line(bounded, folder, value):
    box = {"tag": "person", "fbox": [1, 1, 9, 9], "extra": {"ignore": 0}}
    line = {"ID": "a", "gtboxes": [box], "width": 64, "height": 48}
    changed = [{**line, key: "@"} for key in line]
    changed += [{**line, "gtboxes": [{**box, key: "@"}]} for key in box]
    changed += [{**line, "gtboxes": [{**box, "extra": {"ignore": "@"}}]}]
    changed += [{**line, "gtboxes": [{**box, "fbox": [1, 1, 9, "@"]}]}]
    for content in changed:
        (folder / "a.odgt").write_text(json.dumps(content).replace('"@"', VALUES[value]))
        soon(bounded, READ, "odgt", str(folder / "images"), str(folder / "a.odgt"))


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("value", ["digits", "wide"])
def test_any_value_of_other_formats(bounded, folder, kind, value):
    (folder / "json").mkdir(exist_ok=True)
    file = folder / "json" / "a.json"
    path = str(file.parent if kind == "labelme" else file)
    for place in places(DOCUMENTS[kind]):
        text = json.dumps(changed(DOCUMENTS[kind], place, "@")).replace('"@"', VALUES[value])
        file.write_text(text)
        soon(bounded, READ, kind, str(folder / "images"), path)


@pytest.mark.parametrize("case", ["entities", "deep", "long", "points", "attributes"])
def test_xml_of_cvat_does_not_grow(bounded, folder, case):
    box = '<polygon label="a" points="{}"/>'
    inner = {
        "entities": box.format("&e19;"), "deep": "<a>" * 100_000 + "</a>" * 100_000,
        "long": box.format("x" * 3_000_000), "points": box.format("1,2;" * 100_000 + "9"),
        "attributes": "<box " + " ".join(f'a{n}="1"' for n in range(50_000)) + "/>",
    }[case]  # fmt: skip
    text = f'<annotations><image id="0" name="a.png">{inner}</image></annotations>'
    (folder / "a.xml").write_text(
        f"<!DOCTYPE a [{ENTITIES}]>{text}" if case == "entities" else text
    )
    soon(bounded, READ, "cvat", str(folder / "images"), str(folder / "a.xml"))


@pytest.mark.parametrize(
    "name", ["x" * 10**6, "a/" * 10**6, "../" * 10**6, "%20" * 10**6, "\\" * 10**6]
)
def test_file_names_of_any_length(bounded, folder, name):
    images = [{"id": 1, "file_name": name, "width": 64, "height": 48}]
    content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    (folder / "a.json").write_text(json.dumps(content))
    line = bounded.refusal(READ, "coco", str(folder / "images"), str(folder / "a.json"))
    assert "missing" in line


CATEGORIES = {
    "blanks": ["x" + " " * 500_000 + "x"], "long": ["x" * 10**6], "many": [f"c{n}" for n in range(70_000)],
    "alike": ["x" * 990 + str(n) for n in range(1000)],
}  # fmt: skip


@pytest.mark.parametrize("case", CATEGORIES)
def test_class_names_of_any_length_and_number(bounded, folder, case):
    categories = [{"id": n, "name": name} for n, name in enumerate(CATEGORIES[case])]
    images = [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}]
    content = {"images": images, "annotations": [], "categories": categories}
    (folder / "a.json").write_text(json.dumps(content))
    given = [str(folder / "images"), str(folder / "a.json"), None, ["b", "c"]]
    bounded.refusal(READ, "coco", *given)


XML_FILES = {
    "entities": f"<!DOCTYPE a [{ENTITIES}]>" + XML.replace(">a<", ">&e19;<"),
    "one entity often": f'<!DOCTYPE a [<!ENTITY e "{"x" * 50_000}">]>'
    + XML.replace(">a<", f">{'&e;' * 20_000}<"),
    "a file as entity": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///dev/zero">]>' + XML.replace(">a<", ">&e;<"),
    "deep": "<annotation>" + "<a>" * 100_000 + "</a>" * 100_000 + "</annotation>",
    "a long number": XML.replace("<xmin>1", "<xmin>" + "1" * 3_000_000),
    "a long word": XML.replace("<xmin>1", "<xmin>" + "x" * 3_000_000),
    "a long name": XML.replace(">a<", ">x" + "_ " * 500_000 + "x<"),
    "a long root": f"<{'a' * 3_000_000}/>",
    "many attributes": "<annotation " + " ".join(f'a{n}="1"' for n in range(50_000)) + "/>",
    "large": XML + " " * 9_000_000,
}  # fmt: skip


@pytest.mark.parametrize("case", XML_FILES)
def test_xml_does_not_grow(bounded, folder, case):
    (folder / "xml" / "a.xml").write_text(XML_FILES[case])
    soon(bounded, READ, "voc", str(folder / "images"), str(folder / "xml"))


LABELS = {
    "many values": "0 " + ".5 " * 500_001, "a long number": f"0 {'1' * 3_000_000} .5 .5 .5",
    "a long word": "x" * 3_000_000, "a long class": "1" * 300 + " .5 .5 .5 .5", "large": " " * 9_000_000,
}  # fmt: skip


@pytest.mark.parametrize("case", LABELS)
def test_lines_of_yolo_of_any_length(bounded, folder, case):
    (folder / "labels" / "a.txt").write_text(LABELS[case])
    bounded.refusal(READ, "yolo", str(folder / "images"), str(folder / "labels"))


@pytest.mark.parametrize("names", ["9" * 1_000_000 + ": a", "x" * 1_000_000])
def test_lists_of_names_of_any_length(bounded, folder, names):
    (folder / "labels" / "a.txt").write_text("0 .5 .5 .1 .1\n")
    (folder / "labels" / "data.yaml").rename(folder / "aside")
    (folder / "labels" / "classes.txt").write_text(names)
    try:
        bounded.refusal(READ, "yolo", str(folder / "images"), str(folder / "labels"))
    finally:
        (folder / "labels" / "classes.txt").unlink()
        (folder / "aside").rename(folder / "labels" / "data.yaml")


@pytest.mark.parametrize("value", [*VALUES, "objects"])
def test_any_value_of_a_spec(bounded, tmp_path, value):
    text = {**VALUES, "objects": '{"a":' * 101 + "1" + "}" * 101}[value]
    whole = Spec(class_names=("a",), **NANODET_M).to_dict()
    for key in whole:
        for place in [
            key,
            *(f"{key}.{k}" for k in (whole[key] if isinstance(whole[key], dict) else ())),
        ]:
            outer, _, inner = place.partition(".")
            changed = {**whole, outer: {**whole[outer], inner: "@"} if inner else "@"}
            spec = json.dumps(changed).replace('"@"', text)
            soon(bounded, "nanodet.runtime.spec:Spec.from_json", spec, "m.json")


def test_a_spec_is_not_so_deep_that_it_cannot_be_written(bounded):
    for key in ("source", "measured"):
        for levels, refused in ((98, False), (101, True)):
            mapping = {**Spec(class_names=("a",), **NANODET_M).to_dict(), key: "@"}
            text = json.dumps(mapping).replace('"@"', '{"a":' * levels + "1" + "}" * levels)
            answer = bounded.call("nanodet.runtime.spec:Spec.from_json", text, "m.json")
            assert bool(answer["error"]) == refused
            if refused:
                assert "nested deeper than 100" in answer["error"][1]
