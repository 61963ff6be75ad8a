"""Pascal VOC's XML files: what is read, and every kind of broken file."""

import pytest
from refusals import fails

from nanodet.data.read import read_annotations
from nanodet.data.recognise import recognise
from nanodet.errors import NanodetError

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
    """XML files and images in folders: same names in several, upper-case suffixes, flat images."""
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
    assert "2 of 2 files name a different image" in data.notes[0]


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
    assert recognise(ann) == "XMLDataset"
