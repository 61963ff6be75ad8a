"""Annotation readers on generated files: a right result, or one line that names the file."""

import json
import math
from xml.sax.saxutils import escape, quoteattr

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from other_formats import DOCUMENTS, changed, places

from nanodet.data.formats import FORMATS
from nanodet.data.read import read_annotations
from nanodet.data.recognise import recognise
from nanodet.errors import NanodetError

NUMBERS = st.one_of(
    st.integers(-50, 90), st.floats(-50, 90), st.floats(), st.integers(),
    st.sampled_from([10**400, 1e308, -1e308, 5e-324, 2**63, 0, 1, 7, 40, 30]),
)  # fmt: skip
STRANGE = st.one_of(
    NUMBERS, st.none(), st.booleans(), st.text(max_size=3), st.sampled_from(["0", "1", "\0", "\ud800"]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=1), st.none(), max_size=1),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with images/a.jpg and images/b.jpg, 40 x 30 pixels each."""
    path = tmp_path_factory.mktemp("fuzz")
    for name in ("images", "xml", "labels"):
        (path / name).mkdir()
    for name in ("a.jpg", "b.jpg"):
        assert cv2.imwrite(str(path / "images" / name), np.full((30, 40, 3), 90, np.uint8))
    return path


def read(kind, folder, annotations, **more):
    """Read, and check whatever comes; returns `Annotations`, or None after a one-line error."""
    try:
        data = read_annotations(kind, folder / "images", annotations, **more)
    except NanodetError as error:
        assert "\n" not in str(error)
        assert str(folder) in str(error)
        return None
    assert len(set(data.class_names)) == len(data.class_names) == len(data.category_ids) > 0
    "".join(data.class_names).encode()
    for picture in data.pictures:
        boxes = np.concatenate([picture.boxes, picture.ignored])
        labels = np.concatenate([picture.labels, picture.ignored_labels])
        areas = np.concatenate([picture.areas, picture.ignored_areas])
        assert len(boxes) == len(labels) == len(areas)
        assert boxes.dtype == areas.dtype == np.float32
        assert (boxes[:, :2] >= 0).all() and (boxes[:, :2] < boxes[:, 2:]).all()
        assert (boxes[:, 2:] <= (picture.width, picture.height)).all()
        assert (areas >= 0).all() and np.isfinite(areas).all()
        assert ((labels >= 0) & (labels < len(data.class_names))).all()
        assert isinstance(picture.width, int) and isinstance(picture.height, int)
    return data


def mostly(value, other=STRANGE):
    """``value`` in 39 of 40 cases, else anything of ``other``."""
    return st.integers(0, 39).flatmap(lambda n: other if n == 13 else st.just(value))


def entry(**fields):
    """A mapping with all fields, now and then without some."""
    some = st.fixed_dictionaries({}, optional=fields)
    return st.integers(0, 39).flatmap(lambda n: some if n == 13 else st.fixed_dictionaries(fields))


SIDES = st.integers(-50, 90) | st.floats(-50, 90) | st.sampled_from([1e308, 5e-324, 0, 40])
BOXES = st.lists(mostly(7.5, NUMBERS) | SIDES, min_size=4, max_size=4)
FLAGS = mostly(0) | mostly("0") | mostly("1") | mostly(True)
COCO = entry(
    images=st.lists(
        entry(
            id=mostly(7), file_name=mostly("a.jpg"), width=mostly(40, NUMBERS | STRANGE),
            height=mostly(30),
        ),
        min_size=1, max_size=1,
    ),
    categories=st.lists(entry(id=mostly(5), name=mostly("x")), min_size=1, max_size=1),
    annotations=st.lists(
        entry(
            id=STRANGE, image_id=mostly(7), category_id=mostly(5),
            bbox=st.integers(0, 39).flatmap(lambda n: STRANGE if n == 13 else BOXES),
            iscrowd=FLAGS, ignore=FLAGS, area=st.none() | NUMBERS,
        ),
        max_size=3,
    ),
)  # fmt: skip


@given(COCO | STRANGE)
@settings(max_examples=300, deadline=None)
def test_coco(folder, content):
    path = folder / "coco.json"
    path.write_text(json.dumps(content))
    data = read("coco", folder, path)
    if data is None:
        return
    given_boxes = content["annotations"]
    kept = sum(len(p.boxes) + len(p.ignored) for p in data.pictures)
    left_out = sum("left out" in line for line in data.problems)
    assert kept + left_out == len(given_boxes)
    ignored = sum(a.get("iscrowd") in (1, "1") or a.get("ignore") in (1, "1") for a in given_boxes)
    assert sum(len(p.ignored) for p in data.pictures) <= ignored
    for picture in data.pictures:
        own = [a for a in given_boxes if a["image_id"] == picture.image_id]
        own = [a for a in own if sum(a.get(k) in (1, "1") for k in ("iscrowd", "ignore")) == 0]
        for x1, y1, x2, y2 in picture.boxes:
            assert any(
                all(
                    math.isclose(found, min(max(side, 0), most), rel_tol=1e-5, abs_tol=1e-30)
                    for found, side, most in (
                        (x1, x, picture.width), (y1, y, picture.height),
                        (x2, x + w, picture.width), (y2, y + h, picture.height),
                    )
                )
                for x, y, w, h in (map(float, a["bbox"]) for a in own)
            )  # fmt: skip


@given(st.text(max_size=30) | st.sampled_from(["1" * 5000, '{"images": [1e999]}', "[" * 3000]))
@settings(max_examples=100, deadline=None)
def test_coco_text(folder, text):
    path = folder / "text.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert read("coco", folder, path) is None


XML_TEXT = st.one_of(
    NUMBERS.map(str), NUMBERS.map(str), st.sampled_from(["", "nan", "1e999", " 5 ", "true", "1_0"]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=3),
)  # fmt: skip


@st.composite
def voc(draw):
    def tag(name, inner):
        return "" if draw(st.integers(0, 19)) == 0 else f"<{name}>{inner}</{name}>"

    def leaf(name, values):
        return tag(name, escape(draw(values)))

    def thing():
        sides = "".join(leaf(side, XML_TEXT) for side in ("xmin", "ymin", "xmax", "ymax"))
        name = leaf("name", mostly("cat", XML_TEXT))
        return tag("object", name + leaf("difficult", mostly("0", XML_TEXT)) + tag("bndbox", sides))

    size = leaf("width", mostly("40", XML_TEXT)) + leaf("height", mostly("30", XML_TEXT))
    inner = leaf("filename", mostly("a.jpg", XML_TEXT)) + tag("size", size)
    return tag("annotation", inner + "".join(thing() for _ in range(draw(st.integers(0, 3)))))


@given(voc(), st.sampled_from([None, ["cat"], ["cat", "dog"]]))
@settings(max_examples=300, deadline=None)
def test_voc(folder, text, names):
    (folder / "xml" / "a.xml").write_text(text, encoding="utf-8")
    data = read("voc", folder, folder / "xml", class_names=names)
    if data is not None:
        (picture,) = data.pictures
        left_out = sum("left out" in line for line in data.problems)
        left_out += sum(data.skipped.values())
        assert len(picture.boxes) + len(picture.ignored) + left_out == text.count("<object>")


WORDS = NUMBERS.map(str) | st.floats(0, 1).map(str) | st.sampled_from(["0", "1", "nan", "x", "-"])
LINES = st.lists(
    st.lists(WORDS, min_size=5, max_size=5) | st.lists(WORDS, max_size=9), max_size=3
)  # fmt: skip


@given(LINES, st.sampled_from(["\n", "\r\n", "\n\n"]))
@settings(max_examples=300, deadline=None)
def test_yolo(folder, lines, end):
    text = end.join(" ".join(line) for line in lines)
    (folder / "labels" / "a.txt").write_bytes(text.encode())
    data = read("yolo", folder, folder / "labels", class_names=["x", "y"])
    if data is not None:
        left_out = sum("left out" in line for line in data.problems)
        assert sum(len(p.boxes) for p in data.pictures) + left_out == sum(map(bool, lines))


@given(
    st.text(max_size=20)
    | st.lists(STRANGE, max_size=3).map(lambda names: json.dumps({"names": names}))
    | st.sampled_from(
        ["names: [yes, no]", "names: [2001-99-99]", "names: {0: a, 2: b}", "[" * 3000]
    )
    | st.sampled_from(["names: !!bool x", "names: !!timestamp x", "names: !!int x", "&a [*a]"])
)
@settings(max_examples=300, deadline=None)
def test_yolo_names(folder, text):
    (folder / "labels" / "a.txt").write_text("0 .5 .5 .1 .1\n")
    file = folder / "labels" / "data.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read("yolo", folder, folder / "labels")
    finally:
        file.unlink()


@given(st.sampled_from([(k, p) for k, d in DOCUMENTS.items() for p in places(d)]), STRANGE)
@settings(max_examples=100, deadline=None)
def test_a_changed_value_of_other_formats(folder, place, value):
    kind, path = place
    content = changed(DOCUMENTS[kind], path, value)
    (folder / "json").mkdir(exist_ok=True)
    file = folder / "json" / "a.json"
    file.write_text(json.dumps(content))
    data = read(kind, folder, file.parent if kind == "labelme" else file)
    if path == () or data is None:
        return
    assert sum(len(p.boxes) + len(p.ignored) for p in data.pictures) <= 2


@st.composite
def cvat(draw):
    def attributes(**values):
        kept = {
            key: draw(mostly(value, XML_TEXT))
            for key, value in values.items()
            if draw(st.integers(0, 29))
        }
        return " ".join(f"{key}={quoteattr(value)}" for key, value in kept.items())

    shapes = [
        f"<box {attributes(label='cat', xtl='1', ytl='2', xbr='9', ybr='8', rotation='5', outside='0')}/>",
        f"<polygon {attributes(label='cat', points='1,2;3,4;5,9')}/>",
        f"<ellipse {attributes(label='cat', cx='9', cy='9', rx='3', ry='2')}/>",
        f"<mask {attributes(label='cat', rle='1, 2', left='1', top='2', width='3', height='4')}/>",
    ]
    inner = "".join(draw(st.lists(st.sampled_from(shapes), max_size=3)))
    about = attributes(id="0", name="a.jpg", width="40", height="30", subset="train")
    return f"<annotations><image {about}>{inner}</image></annotations>"


@given(cvat())
@settings(max_examples=50, deadline=None)
def test_cvat(folder, text):
    file = folder / "cvat.xml"
    file.write_text(text, encoding="utf-8")
    data = read("cvat", folder, file, class_names=["cat"])
    if data is not None:
        left_out = sum("left out" in line for line in data.problems)
        outside = text.count('outside="1"')
        (picture,) = data.pictures
        count = text.count("label=")
        assert count - outside <= len(picture.boxes) + left_out <= count


CSV = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


@given(st.lists(st.lists(mostly("a.jpg", XML_TEXT) | XML_TEXT, min_size=7, max_size=9), max_size=3))
@settings(max_examples=40, deadline=None)
def test_csv(folder, rows):
    file = folder / "a.csv"
    file.write_text(
        CSV + "a.jpg,40,30,cat,1,2,9,8\n" + "".join(",".join(row) + "\n" for row in rows)
    )
    read("csv", folder, file)


@given(
    st.text(max_size=60)
    | st.sampled_from(["[" * 3000, "{" * 9, "<a", '{"a": "' + "\\" * 9, "1 2 3 4 5"])
)
@settings(max_examples=50, deadline=None)
def test_any_beginning_is_recognised_or_refused(folder, text):
    (folder / "any").mkdir(exist_ok=True)
    for suffix in (".json", ".xml", ".txt", ".csv"):
        file = folder / "any" / f"a{suffix}"
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        for path in (file, file.parent):
            try:
                assert recognise(path) in FORMATS
            except NanodetError as error:
                assert "\n" not in str(error) and str(path) in str(error)
        file.unlink()
