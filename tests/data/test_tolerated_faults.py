"""Readers that collect what they refuse: one faulty entry does not hide the others."""

import copy
import json

import pytest
from other_formats import DOCUMENTS, changed

from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading

PLACES = {  # of a value that makes one of the two objects faulty
    "labelstudio": (0, "annotations", 0, "result", 0, "value", "x"),
    "labelme": ("shapes", 0, "label"),
    "via": ("_via_img_metadata", "a.jpg1", "regions", 0, "shape_attributes", "x"),
    "createml": (0, "annotations", 0, "coordinates", "x"),
}
CSV = "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,40,30,cat,1,2,x,8\na.jpg,40,30,cat,1,2,9,8\n"
BOX = '<box label="cat" xtl="1" ytl="2" xbr="{}" ybr="8"/>'
CVAT = f'<annotations><image id="0" name="a.jpg">{BOX.format("x")}{BOX.format(9)}</image></annotations>'


@pytest.mark.parametrize("kind", [*PLACES, "csv", "cvat"])
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
        file = folder / f"a.{'xml' if kind == 'cvat' else kind}"
        file.write_text(CVAT if kind == "cvat" else CSV)
    reading = Reading(faults=[])
    data = read_annotations(kind, images, folder if kind == "labelme" else file, reading=reading)
    assert [fault.kind for fault in reading.faults] == ["entry"]
    assert str(file) in reading.faults[0].line
    assert [len(picture.boxes) for picture in data.pictures] == [1]
