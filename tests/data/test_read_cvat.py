"""CVAT's XML for images: its quirks, and wrong files."""

import pytest
from refusals import fails

from nanodet.data.read import read_annotations
from nanodet.data.recognise import recognise

META = """<version>1.1</version><meta><task><id>7</id><name>day</name><size>2</size><mode>annotation</mode>
<labels><label><name>dog</name><color>#b83df5</color><type>any</type><attributes/></label>
<label><name>cat</name><type>rectangle</type></label><label><name>bones</name><type>skeleton</type></label>
<label><name>tail</name><type>points</type><parent>bones</parent></label></labels></task></meta>"""
BOX = '<box label="{}" source="manual" occluded="1" xtl="{}" ytl="{}" xbr="{}" ybr="{}" z_order="0"{}</box>'


def image(shapes="", name="a.jpg", more='width="40" height="30"'):
    return f'<image id="0" name="{name}" {more}>{shapes}</image>'


def box(x1, y1, x2, y2, label="cat", more=">"):
    return BOX.format(label, x1, y1, x2, y2, more)


@pytest.fixture
def cvat(tmp_path):
    def write(inner, meta=META):
        path = tmp_path / "annotations.xml"
        path.write_text(
            f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>{meta}{inner}</annotations>\n'
        )
        return path

    return write


def test_every_shape_of_cvat(cvat, images):
    shapes = (
        box("1.50", 2, 9, 8)
        + box(10, 10, 20, 14, "dog", ' rotation="90.00">')
        + '<polygon label="dog" points="1.00,2.00;5.00,9.00;3.00,4.50"></polygon>'
        + '<ellipse label="cat" cx="20.00" cy="15.00" rx="4.00" ry="2.00" rotation="270.0"></ellipse>'
        + '<mask label="cat" rle="3, 2, 1" left="4" top="5" width="3" height="2"></mask>'
        + '<cuboid label="cat" xtl1="1" ytl1="2" xbl1="1" ybl1="9" xtr1="6" ytr1="2" xbr1="6" ybr1="9" '
        'xtl2="3" ytl2="1" xbl2="3" ybl2="8" xtr2="8" ytr2="1" xbr2="8" ybr2="8"></cuboid>'
        + '<box label="cat" outside="1" xtl="0" ytl="0" xbr="9" ybr="9"/>'
        + '<polyline label="cat" points="1,1;2,2"/><points label="tail" points="1,1"/>'
        + '<skeleton label="bones"><points label="tail" points="1,1"/></skeleton>'
        + box(1, 1, 4, 4, "cat", '><attribute name="Difficult">true</attribute>')
        + '<tag label="bones"></tag>'
    )
    path = cvat(image(shapes) + image(name="b.jpg"))
    assert recognise(path) == "CvatDataset"
    data = read_annotations("cvat", images, path)
    assert data.class_names == ("dog", "cat")
    first, second = data.pictures
    assert first.boxes.round(3).tolist() == [
        [1.5, 2, 9, 8], [13, 7, 17, 17], [1, 2, 5, 9], [18, 11, 22, 19], [4, 5, 7, 7], [1, 1, 8, 9],
    ]  # fmt: skip
    assert first.labels.tolist() == [1, 0, 0, 1, 1, 1]
    assert first.ignored.tolist() == [[1, 1, 4, 4]]
    assert len(second.boxes) == 0
    (note,) = data.notes
    assert note.endswith("left out: 1 points, 1 polyline, 1 skeleton")


def test_a_project_with_subsets_and_folders(cvat, images):
    for name in ("train/mon/a.jpg", "test/mon/a.jpg"):
        (images / name).parent.mkdir(parents=True)
        (images / name).write_bytes((images / "a.jpg").read_bytes())
    more = 'subset="{}" task_id="{}" width="40" height="30"'
    inner = image(box(1, 1, 9, 9), "mon/a.jpg", more.format("train", 1))
    inner += image(box(2, 2, 9, 9), "mon/a.jpg", more.format("test", 2))
    meta = META.replace("<task>", "<project>").replace("</task>", "</project>")
    data = read_annotations("cvat", images, cvat(inner, meta))
    assert [(p.path.relative_to(images).as_posix(), p.boxes[0, 0]) for p in data.pictures] == [
        ("train/mon/a.jpg", 1), ("test/mon/a.jpg", 2),
    ]  # fmt: skip
    assert data.class_names == ("dog", "cat")


WRONG = {
    "video": ('<track id="0" label="cat"><box frame="0"/></track>', "CVAT for images 1.1"),
    "empty": ("", "no <image>"),
    "no name": (image(name=""), "image 0 has no 'name'"),
    "no label": (image(box(1, 1, 2, 2, "")), "image a.jpg: box 1 has no 'label'"),
    "no side": (image('<box label="cat" xtl="1" ytl="2" xbr="3"/>'), "box 1 (cat) has no 'ybr'"),
    "no number": (image(box(1, 1, "x", 2)), "box 1 (cat): xbr 'x' is not a number"),
    "nan": (image(box(1, 1, "nan", 2)), "xbr nan is not a number"),
    "points": (image('<polygon label="cat" points="1,2;3"/>'), "polygon 1 (cat): points '1,2;3'"),
    "shape": (image('<blob label="cat"/>'), "blob 1 (cat): is of no known kind of shape"),
    "size": (image(more='width="4.5" height="30"'), "width '4.5' is not a number of pixels"),
    "cut": ("<image", "not valid XML"),
    "missing": (image(name="c.jpg"), "image is missing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_of_cvat(cvat, images, case):
    inner, words = WRONG[case]
    fails("annotations.xml: ", words, name="cvat", img=images, ann=cvat(inner))


def test_boxes_outside_and_of_other_classes(cvat, images):
    path = cvat(image(box(-9, 1, 60, 9) + box(50, 1, 60, 9) + box(1, 1, 5, 5, "cow")))
    data = read_annotations("cvat", images, path)
    assert data.class_names == ("dog", "cat", "cow")
    assert (data.counts.clipped, data.counts.left_out) == (1, 1)
    assert all("image a.jpg: box " in line for line in data.problems)
    fails(
        "'cow'",
        "unknown_classes: skip",
        name="cvat",
        img=images,
        ann=path,
        class_names=["cat", "dog"],
    )
