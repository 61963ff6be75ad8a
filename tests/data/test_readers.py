"""Annotation readers on real data and on every kind of broken file."""

import json

import cv2
import numpy as np
import pytest

from nanodet.data.read import read_annotations
from nanodet.errors import NanodetError
from nanodet.evaluate.truth import guess_format


@pytest.fixture
def images(tmp_path):
    """A folder with a.jpg and b.jpg, 40 x 30 pixels each."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        assert cv2.imwrite(str(folder / name), np.full((30, 40, 3), 90, np.uint8))
    return folder


def fails(*words, name, img, ann, **more):
    """Reading must raise one line that has all ``words``."""
    with pytest.raises(NanodetError) as caught:
        read_annotations(name, img, ann, **more)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


# real data


def test_coco_mini(coco_mini):
    data = read_annotations("CocoDataset", coco_mini / "images", coco_mini / "annotations.json")
    assert len(data.pictures) == 500
    assert data.category_ids[-1] == 90
    assert data.class_names[9] == "traffic light"
    boxes = sum(len(p.boxes) for p in data.pictures)
    crowds = sum(p.ignored_crowd.sum() for p in data.pictures)
    assert (boxes + crowds, crowds) == (4562, 21)
    raw = json.loads((coco_mini / "annotations.json").read_text())
    first = data.pictures[0]
    own = [a for a in raw["annotations"] if a["image_id"] == first.image_id and not a["iscrowd"]]
    x, y, w, h = np.array([a["bbox"] for a in own]).T
    np.testing.assert_allclose(first.boxes, np.stack([x, y, x + w, y + h], 1), atol=0.02)
    np.testing.assert_allclose(first.areas, [a["area"] for a in own], rtol=1e-6)
    labels = [data.category_ids.index(a["category_id"]) for a in own]
    assert first.labels.tolist() == labels
    assert first.boxes.dtype == np.float32
    assert first.labels.dtype == np.int64


def test_bccd(shared):
    root = shared / "data" / "bccd"
    data = read_annotations("XMLDataset", root / "JPEGImages", root / "Annotations")
    assert len(data.pictures) == 364
    assert data.class_names == ("Platelets", "RBC", "WBC")
    assert len(data.problems) == 2  # two degenerate boxes
    assert "BloodImage_00338.xml: object 13" in data.problems[0]
    lists = root / "ImageSets" / "Main"
    counts = {
        part: len(
            read_annotations(
                "voc", root / "JPEGImages", root / "Annotations", lists / f"{part}.txt"
            ).pictures
        )
        for part in ("trainval", "test")
    }
    assert sum(counts.values()) == 364
    assert counts["test"] == 72


def test_raccoon(shared):
    root = shared / "data" / "raccoon"
    data = read_annotations("voc", root / "images", root / "annotations")
    assert (len(data.pictures), data.class_names) == (200, ("raccoon",))
    assert [p.image_id for p in data.pictures[:3]] == [1, 2, 3]


# COCO


def coco(tmp_path, **changes):
    content = {
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 40, "height": 30},
            {"id": 3, "file_name": "b.jpg"},
        ],
        "categories": [{"id": 5, "name": "five"}, {"id": 2, "name": "two"}],
        "annotations": [box(1, 7, [1, 2, 10, 12]), box(2, 7, [4, 4, 5, 5], category_id=2)],
    }
    content.update(changes)
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content))
    return path


def box(id, image_id, bbox, category_id=5, **more):
    return {"id": id, "image_id": image_id, "bbox": bbox, "category_id": category_id, **more}


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
        ({"images": [], "annotations": []}, ["no pictures"]),
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


# list files


@pytest.mark.parametrize("text", ["b", "b.jpg\n", "some/where/b.jpg", "\n b -1 \n", "b 1\nb 1"])
def test_list_names(tmp_path, images, text):
    (tmp_path / "list.txt").write_text(text)
    data = read_annotations("coco", images, coco(tmp_path), tmp_path / "list.txt")
    assert [p.path.name for p in data.pictures] == ["b.jpg"]


def test_list_errors(tmp_path, images):
    for text, words in (("a\nc\n", ["line 2", "'c'"]), ("", ["no picture"])):
        (tmp_path / "list.txt").write_text(text)
        ann = coco(tmp_path)
        fails("list.txt", *words, name="coco", img=images, ann=ann, list_path=tmp_path / "list.txt")
    fails("gone", name="coco", img=images, ann=ann, list_path=tmp_path / "gone.txt")


def test_list_tells_folders_apart(tmp_path, images):
    entries = [{"id": n, "file_name": f"{n}/a.jpg", "width": 40, "height": 30} for n in (1, 2)]
    for n in "12":
        (images / n).mkdir()
        (images / n / "a.jpg").write_bytes((images / "a.jpg").read_bytes())
    ann = coco(tmp_path, images=entries, annotations=[])
    (tmp_path / "list.txt").write_text("2/a.jpg")
    data = read_annotations("coco", images, ann, tmp_path / "list.txt")
    assert [p.image_id for p in data.pictures] == [2]
    (tmp_path / "list.txt").write_text("a.jpg")
    fails("may be", name="coco", img=images, ann=ann, list_path=tmp_path / "list.txt")


# Pascal VOC

OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>
<xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""
SIZE = "<size><width>40</width><height>30</height></size>"


def thing(*sides, name="cat", difficult=0):
    return OBJECT.format(*sides, name=name, difficult=difficult)


@pytest.fixture
def voc(tmp_path):
    folder = tmp_path / "xml"
    folder.mkdir()

    def write(*objects, size=SIZE, filename="a.jpg", stem="a", head=""):
        inner = f"<filename>{filename}</filename>{size}{''.join(objects)}"
        (folder / f"{stem}.xml").write_text(f"{head}<annotation>{inner}</annotation>")
        return folder

    return write


def test_voc_floats_difficult_and_missing_size(voc, images):
    ann = voc(thing(1.5, 2, 10, "12.25"), thing(3, 3, 9, 9, name="ant", difficult=1), size="")
    voc(stem="b", filename="renamed.jpg")  # found by the XML's own name
    data = read_annotations("voc", images, ann)
    first, second = data.pictures
    assert data.class_names == ("ant", "cat")
    assert (first.width, first.height) == (40, 30)
    assert first.boxes.tolist() == [[1.5, 2, 10, 12.25]]
    assert first.ignored.tolist() == [[3, 3, 9, 9]]
    assert first.ignored_crowd.tolist() == [False]
    assert second.path.name == "b.jpg"
    assert len(second.boxes) == 0


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([thing(1, 1, 5, 5), thing(1, "x", 5, 5)], ["a.xml: object 2", "ymin", "'x'"]),
        ([thing(1, 1, 5, "nan")], ["a.xml: object 1", "ymax"]),
        ([thing(1, 1, 5, 5).replace("xmax", "right")], ["object 1", "<xmax>"]),
        (["<object><name>cat</name></object>"], ["object 1", "<xmin>"]),
        ([thing(1, 1, 5, 5, name="")], ["object 1", "<name>"]),
        ([thing(1, 1, 5, 5, name="dog")], ["(dog)", "class_names (cat)"]),
        ([thing(1, 1, 5, 5, name="cta")], ["(cta)", "did you mean 'cat'?"]),
        ([thing(1, 1, 5, 5, difficult="maybe")], ["object 1", "difficult 'maybe'"]),
        (["<object>"], ["a.xml", "XML"]),
    ],
)
def test_voc_broken_objects(voc, images, objects, words):
    fails("xml", *words, name="voc", img=images, ann=voc(*objects), class_names=["cat"])


def test_voc_names_a_few_of_many_classes(voc, images):
    names = [f"class {n}" for n in range(80)]
    with pytest.raises(NanodetError, match=r"class 0, .*, \.\.\. \(80 in all\)") as caught:
        read_annotations("voc", images, voc(thing(1, 1, 5, 5, name="?")), class_names=names)
    assert str(caught.value).count("class ") < 11


@pytest.mark.parametrize("side", ["-1", "1e300", "40.5"])
def test_voc_impossible_sizes(voc, images, side):
    size = SIZE.replace("40", side)
    fails("a.xml", "width", name="voc", img=images, ann=voc(thing(1, 1, 5, 5), size=size))


def test_voc_without_any_class(voc, images):
    fails("xml", "class_names", name="voc", img=images, ann=voc())


def test_voc_refuses_entities(voc, images):
    lines = ['<!ENTITY a0 "ha">'] + [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 30)]
    ann = voc(thing(1, 1, 5, 5, name="&a29;"), head=f"<!DOCTYPE x [{''.join(lines)}]>")
    fails("a.xml", "DOCTYPE", name="voc", img=images, ann=ann)


def test_voc_other_errors(voc, images, tmp_path):
    fails("c.xml", "'z.jpg'", name="voc", img=images, ann=voc(stem="c", filename="z.jpg"))
    (tmp_path / "empty").mkdir()
    fails("no XML", name="voc", img=images, ann=tmp_path / "empty")
    (tmp_path / "empty" / "a.xml").write_text("")
    fails("a.xml", "XML", name="voc", img=images, ann=tmp_path / "empty")
    (tmp_path / "empty" / "a.xml").write_text("<svg/>")
    fails("a.xml", "<svg>", name="voc", img=images, ann=tmp_path / "empty")


def test_voc_in_folders(voc, images, tmp_path):
    """XML files and pictures in folders: same names in several, upper-case suffixes, flat pictures."""
    picture = (images / "a.jpg").read_bytes()
    folder = voc(thing(1, 1, 5, 5))
    for n, inside in enumerate(("mon", "tue", "flat"), 2):
        voc(thing(n, 1, 9, 9), stem=f"{n}")
        target = folder / inside / ("b.XML" if inside == "flat" else "a.xml")
        target.parent.mkdir()
        (folder / f"{n}.xml").rename(target)
        if inside != "flat":
            (images / inside).mkdir()
            (images / inside / "a.jpg").write_bytes(picture)
    (folder / "flat" / "b.XML").write_text(
        (folder / "flat" / "b.XML").read_text().replace("a.jpg", "b.jpg")
    )
    (images / "tue" / "c.jpg").write_bytes(picture)  # has no XML file
    found = read_annotations("voc", images, folder)
    paths = {p.path.relative_to(images).as_posix(): p.boxes[0, 0] for p in found.pictures}
    assert paths == {"a.jpg": 1, "mon/a.jpg": 2, "tue/a.jpg": 3, "b.jpg": 4}
    assert found.counts.without_labels == 1
    (tmp_path / "list.txt").write_text("tue/a\ntue/a\na\n")
    chosen, _ = read_annotations("voc", images, folder, tmp_path / "list.txt").pictures
    assert chosen.path == images / "tue" / "a.jpg"
    for text, words in (("tue/a\ntue/c\n", "no XML file of 'tue/c'"), ("a\na\na", "'a' may be")):
        (tmp_path / "list.txt").write_text(text)
        fails(words, name="voc", img=images, ann=folder, list_path=tmp_path / "list.txt")


def test_voc_counts_pictures_without_xml(voc, images):
    counts = read_annotations("voc", images, voc(thing(1, 1, 50, 5), thing(9, 9, 9, 9))).counts
    assert (counts.without_labels, counts.clipped, counts.left_out) == (1, 1, 1)


@pytest.mark.parametrize("sides", [(0.1, 0.1, 0.5, 0.6), (10, 10, 5, 4)])
def test_voc_in_another_unit_or_form(voc, images, sides):
    ann = voc(*[thing(*sides)] * 3)
    fails("xml", "expected", name="voc", img=images, ann=ann)


def test_voc_of_a_file_that_names_the_image_of_another(voc, images):
    for box, stem in ((1, "a"), (2, "b")):  # b.xml was copied from a.xml
        ann = voc(thing(box, 1, 9, 9), stem=stem, filename="a.jpg")
    data = read_annotations("voc", images, ann)
    assert [(p.path.name, p.boxes[0, 0]) for p in data.pictures] == [("a.jpg", 1), ("b.jpg", 2)]
    assert len(data.notes) == 1 and "<filename> in b.xml is a.jpg" in data.notes[0]
    for box, stem, other in ((1, "a", "b"), (2, "b", "a")):  # renamed, or named so on purpose
        voc(thing(box, 1, 9, 9), stem=stem, filename=f"{other}.jpg")
    data = read_annotations("voc", images, ann)
    assert [(p.path.name, p.boxes[0, 0]) for p in data.pictures] == [("b.jpg", 1), ("a.jpg", 2)]
    assert "2 of 2 files name another image" in data.notes[0]


def test_voc_in_folders_and_with_another_case_of_the_suffix(voc, images):
    for box, day in ((1, "mon"), (2, "tue")):
        ann = voc(thing(box, 1, 9, 9), filename="c.jpg")
        for folder in (ann, images):
            (folder / day).mkdir()
        (ann / "a.xml").rename(ann / day / "c.XML")
        (images / day / "c.jpg").write_bytes((images / "a.jpg").read_bytes())
    data = read_annotations("voc", images, ann)
    found = [(p.path.relative_to(images).as_posix(), p.boxes[0, 0]) for p in data.pictures]
    assert (found, data.notes) == ([("mon/c.jpg", 1), ("tue/c.jpg", 2)], [])
    assert guess_format(ann) == "voc"


# YOLO


@pytest.fixture
def yolo(tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()

    def write(text, stem="a"):
        (folder / f"{stem}.txt").write_text(text)
        return folder

    return write


def test_yolo_boxes_polygons_and_names(yolo, images, tmp_path):
    ann = yolo("1 0.5 0.5 0.5 0.2\n\n0 0.1 0.1 0.4 0.2 0.2 0.5\n")
    fails("class_names", "data.yaml", name="yolo", img=images, ann=ann)
    (tmp_path / "data.yaml").write_text("names: {0: x, 1: y}")
    data = read_annotations("YoloDataset", images, ann)
    assert data.class_names == ("x", "y")
    first, second = data.pictures
    np.testing.assert_allclose(first.boxes, [[10, 12, 30, 18], [4, 3, 16, 15]], atol=1e-5)
    assert first.labels.tolist() == [1, 0]
    assert len(second.boxes) == 0
    (ann / "classes.txt").write_text("p\nq\n")  # nearer
    assert read_annotations("yolo", images, ann).class_names == ("p", "q")


@pytest.mark.parametrize("file", ["data.yml", "coco8.yaml", "shapes.names"])
def test_yolo_names_in_a_file_of_another_name(yolo, images, tmp_path, file):
    ann = yolo("1 0.5 0.5 0.5 0.2")
    (tmp_path / "a.yaml").write_text("names: [broken")  # and others that are not about classes
    (tmp_path / "b.yaml").write_text("class_names: [x]")
    (tmp_path / file).write_text("x\ny\n" if file.endswith(".names") else "names: {1: y, 0: x}")
    data = read_annotations("yolo", images, ann, class_names=["y", "x"])
    assert data.pictures[0].labels.tolist() == [0]  # y, by name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("names: cat, dog", ["'names' is not a list"]),
        ("names: [yes, no]", ["class name True is not a text", "in quotes"]),
        ("names: [x, x]", ["'x' occurs twice", "own name"]),
        ("names: [x]", ["class 2 is not one of 0..0", "data.yaml (x)", "numbers start at 0"]),
    ],
)
def test_yolo_names_that_are_none(yolo, images, tmp_path, text, words):
    (tmp_path / "data.yaml").write_text(text)
    fails(*words, name="yolo", img=images, ann=yolo("2 0.5 0.5 0.5 0.2"), class_names=["x", "y"])


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("2 .5 .5 .1 .1", "class 2"),
        ("-1 .5 .5 .1 .1", "class -1"),
        ("0.5 .5 .5 .1 .1", "class 0.5"),
        ("0 .5 .5 .1", "4 values"),
        ("0 .5 .5 .1 .1 .1", "6 values"),
        ("0 .5 x .1 .1", "not numbers"),
        ("0 .5 nan .1 .1", "finite"),
    ],
)
def test_yolo_broken_lines(yolo, images, line, word):
    ann = yolo(f"0 .5 .5 .1 .1\n{line}\n")
    fails("a.txt: line 2", word, name="yolo", img=images, ann=ann, class_names=["x", "y"])


def test_yolo_counts_what_has_no_partner(yolo, images, tmp_path):
    yolo("", "gone")
    yolo("x\n", "classes")
    counts = read_annotations("yolo", images, yolo("0 .5 .5 .2 .2\n"), class_names=["x"]).counts
    assert (counts.without_labels, counts.without_picture) == (1, 1)


def test_yolo_keypoints_as_data_yaml_says(yolo, images, tmp_path):
    ann = yolo("0 .48 .48 .52 .48 .52 .52 .48 .52\n")
    fails("yolo_labels", name="yolo", img=images, ann=ann, class_names=["x"])
    (tmp_path / "data.yaml").write_text("names: [x]\nkpt_shape: [2, 2]")
    box = read_annotations("yolo", images, ann).pictures[0].boxes
    np.testing.assert_allclose(box, [[8.8, 7.2, 29.6, 21.6]], atol=1e-5)
    (tmp_path / "data.yaml").write_text("names: [x]\nkpt_shape: [2, 3]")
    fails("a.txt: line 1", "9 values", "11", name="yolo", img=images, ann=ann)
    (tmp_path / "data.yaml").write_text("names: [x]\nkpt_shape: 2")
    fails("data.yaml", "kpt_shape 2", name="yolo", img=images, ann=ann)


def test_yolo_wrong_folder(yolo, images, tmp_path):
    ann = yolo("", "zzz")
    words = "no label file", f"a.jpg would have {ann / 'a.txt'}"
    fails(*words, name="yolo", img=images, ann=ann, class_names=["x"])
    (tmp_path / "none").mkdir()
    fails("no pictures", name="yolo", img=tmp_path / "none", ann=yolo(""), class_names=["x"])
