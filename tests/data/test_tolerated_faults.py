"""Readers that collect what they refuse: one faulty entry does not hide the others."""

import copy
import json

import pytest
from other_formats import DOCUMENTS, changed

from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError

PLACES = {  # of a value that makes one of the two objects faulty
    "labelstudio": (0, "annotations", 0, "result", 0, "value", "x"),
    "labelme": ("shapes", 0, "label"),
    "via": ("_via_img_metadata", "a.jpg1", "regions", 0, "shape_attributes", "x"),
    "createml": (0, "annotations", 0, "coordinates", "x"),
}
CSV = "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,40,30,cat,1,2,x,8\na.jpg,40,30,cat,1,2,9,8\n"
BOX = '<box label="cat" xtl="1" ytl="2" xbr="{}" ybr="8"/>'
CVAT = f'<annotations><image id="0" name="a.jpg">{BOX.format("x")}{BOX.format(9)}</image></annotations>'
SIDES = "<xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>{}</ymax>"
OBJECT = f"<object><name>cat</name><bndbox>{SIDES}</bndbox></object>"
VOC = f"<annotation><filename>a.jpg</filename>{OBJECT.format('x')}{OBJECT.format(8)}</annotation>"
PERSON = '{"tag": "cat", "fbox": [1, 2, 8, 6]}'
ODGT = f'{{"ID": "a", "gtboxes": [{{"tag": "cat"}}, {PERSON}]}}\n'


@pytest.mark.parametrize("kind", [*PLACES, "csv", "cvat", "odgt", "voc"])
def test_the_others_are_read(tmp_path, images, kind):
    folder = tmp_path / "annotations"
    folder.mkdir()
    if kind in PLACES:
        file = folder / "a.json"
        content = copy.deepcopy(DOCUMENTS[kind])
        if kind == "createml":
            content[0]["annotations"] += copy.deepcopy(content[0]["annotations"])
        file.write_text(json.dumps(changed(content, PLACES[kind], [None])))
    else:
        file = folder / f"a.{'xml' if kind in ('cvat', 'voc') else kind}"
        file.write_text({"cvat": CVAT, "csv": CSV, "odgt": ODGT, "voc": VOC}[kind])
    reading = Reading(faults=[])
    place = folder if kind in ("labelme", "voc") else file
    data = read_annotations(kind, images, place, reading=reading)
    assert [fault.kind for fault in reading.faults] == ["entry"]
    assert str(file) in reading.faults[0].line
    assert [len(picture.boxes) for picture in data.pictures] == [1]


def test_a_broken_line_of_odgt_does_not_hide_the_others(tmp_path, images):
    file, good = tmp_path / "a.odgt", f'{{"ID": "b", "gtboxes": [{PERSON}]}}'
    file.write_text(f'{{"ID": "a"\n{good}\n{good}\n')
    reading = Reading(faults=[])
    (picture,) = read_annotations("odgt", images, file, reading=reading).pictures
    assert (picture.path.name, len(picture.boxes)) == ("b.jpg", 1)
    first, second = reading.faults
    assert "a.odgt: line 1: not valid JSON" in first.line
    assert "a.odgt: line 3: ID 'b' occurs twice" in second.line
    file.write_text('{"ID": "a"')
    with pytest.raises(NanodetError, match="none of its lines can be read"):
        read_annotations("odgt", images, file, reading=reading)


def test_lines_with_too_few_values_do_not_hide_the_others(tmp_path, images):
    (tmp_path / "labels").mkdir()
    (tmp_path / "classes.txt").write_text("cat\n")
    file = tmp_path / "labels" / "a.txt"
    file.write_text("0 0.5 0.5 0.1\n0 0.5 0.5 0.1 0.1\n0\n0 nan 0.5 0.1 0.1\n")
    reading = Reading(faults=[])
    data = read_annotations("yolo", images, tmp_path / "labels", reading=reading)
    lines = [fault.line.removeprefix(f"{file}: ") for fault in reading.faults]
    assert [line.split(":")[0] for line in lines] == ["line 1", "line 3", "line 4"]
    assert sum(len(picture.boxes) for picture in data.pictures) == 1

    table = tmp_path / "a.csv"
    table.write_text("\n".join([*CSV.splitlines(), "a.jpg,40,30,cat,1,2"]))
    reading = Reading(faults=[])
    data = read_annotations("csv", images, table, reading=reading)
    lines = [fault.line for fault in reading.faults]
    assert lines[0].startswith(f"{table}: line 4: 6 values, where 8") and len(lines) == 2
    assert [len(picture.boxes) for picture in data.pictures] == [1]
