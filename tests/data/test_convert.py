"""Annotated images written in another format, and read back."""

import json
import shutil

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from turned_pictures import annotate, write_turned

from nanodet.cli.convert import add_arguments
from nanodet.cli.main import main
from nanodet.data.convert import convert
from nanodet.data.discover import discover
from nanodet.data.picture import load_picture
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations, Picture
from nanodet.data.sets import read_sets, sets_of
from nanodet.data.writers import WRITERS
from nanodet.errors import NanodetError

SIZE = (40, 30)


def read_back(out, name=""):
    """Read a set of a new folder as a user would: with what `discover` finds."""
    found = sets_of(out, None, None, Reading())
    return read_sets(found, None, Reading(), print)[name][0]


@st.composite
def boxes(draw):
    """float32 (N, 4) boxes in an image of `SIZE`, of at least 2 pixels: smaller ones look like parts."""
    rows = []
    for _ in range(draw(st.integers(0, 3))):
        row = []
        for most in SIZE:
            low = draw(st.floats(0, most - 3))
            row.append((low, draw(st.floats(low + 2, most))))
        (x1, x2), (y1, y2) = row
        rows.append((x1, y1, x2, y2))
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize("to", WRITERS)
def test_boxes_come_back(tmp_path, images, to):
    out, taught_of = tmp_path / "out", st.lists(st.tuples(boxes(), boxes()), min_size=2, max_size=2)

    @given(
        taught_of,
        st.lists(st.sampled_from(["cat", "yes", "5", "ä: b", "#"]), min_size=1, unique=True),
    )
    @settings(max_examples=25, deadline=None)
    def check(sides, names):
        pictures = []
        for n, (taught, ignored) in enumerate(sides):
            labels, spare = (np.arange(len(b)) % len(names) for b in (taught, ignored))
            areas = (taught[:, 2:] - taught[:, :2]).prod(axis=1)
            pictures.append(
                Picture(
                    images / f"{'ab'[n]}.jpg", n + 1, *SIZE, taught, labels, areas,
                    ignored, spare, np.full(len(ignored), 7, np.float32), spare == 0,
                )
            )  # fmt: skip
        if to == "yolo" and not any(len(p.boxes) for p in pictures):
            pictures[0].ignored = np.zeros((0, 4), np.float32)
        found = Annotations(tuple(names), tuple(range(1, len(names) + 1)), pictures)
        shutil.rmtree(out, ignore_errors=True)
        lines = convert({"": (found, images)}, out, to, "link")
        back = read_back(out)
        assert back.class_names == found.class_names
        for old, new in zip(pictures, back.pictures, strict=True):
            np.testing.assert_allclose(new.boxes, old.boxes, rtol=0, atol=2e-6)
            assert new.labels.tolist() == old.labels.tolist()
            if to == "coco":
                order = np.argsort(new.ignored_areas, kind="stable")
                np.testing.assert_array_equal(new.boxes, old.boxes)
                np.testing.assert_array_equal(new.areas, old.areas)
                np.testing.assert_array_equal(new.ignored[order], old.ignored)
                assert new.ignored_crowd.tolist() == old.ignored_crowd.tolist()
                assert (new.ignored_areas == 7).all()
        lost = sum(len(p.ignored) for p in pictures)
        assert bool(lines) == (to == "yolo" and lost > 0)

    check()


def cvat(folder):
    """A CVAT project with a train and a val subset, in which two images have the same name."""
    shapes = '<box label="cat" xtl="{}" ytl="2" xbr="9" ybr="8"/>'
    inner = ""
    for number, name in enumerate(("train/a.jpg", "train/b.jpg", "train/b.png", "val/a.jpg")):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), np.full((30, 40, 3), number * 20, np.uint8))
        inner += f'<image id="{number}" name="{name}" width="40" height="30">{shapes.format(number)}</image>'
    xml = folder / "annotations.xml"
    xml.write_text(f"<annotations><version>1.1</version>{inner}</annotations>")
    return xml


@pytest.mark.parametrize("to", WRITERS)
def test_the_command(tmp_path, to, capsys):
    cvat(tmp_path / "old")
    before = {file: file.read_bytes() for file in (tmp_path / "old").rglob("*") if file.is_file()}
    out = tmp_path / "new" / "set"
    assert main(["convert", str(tmp_path / "old"), str(out), "--to", to]) == 0
    assert "4 images, 4 boxes of 1 class" in capsys.readouterr().out
    assert before == {file: file.read_bytes() for file in before}
    back = read_back(out)
    shades = {
        int(cv2.imread(str(p.path))[0, 0, 0]): p.boxes.round(3).tolist() for p in back.pictures
    }
    assert {round(shade / 20): boxes for shade, boxes in shades.items()} == {
        number: [[number, 2, 9, 8]] for number in range(4)
    }
    assert not any(path.is_symlink() for path in out.rglob("*"))
    assert [path.name for path in out.parent.iterdir()] == ["set"]
    assert main(["convert", str(tmp_path / "old"), str(out), "--to", to]) != 0
    assert "exists already" in capsys.readouterr().err


def test_splits_stay_and_name_their_classes_alike(tmp_path, capsys):
    for split, names in (("train", ["cat", "dog"]), ("valid", ["dog", "cat"])):
        folder = tmp_path / "old" / split
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "a.jpg"), np.zeros((30, 40, 3), np.uint8))
        content = {
            "images": [{"id": 0, "file_name": "a.jpg", "width": 40, "height": 30}],
            "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [1, 2, 8, 6]}],
            "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        }
        (folder / "_annotations.coco.json").write_text(json.dumps(content))
    out = tmp_path / "new"
    assert (
        main(["convert", str(tmp_path / "old"), str(out), "--to", "yolo", "--pictures", "link"])
        == 0
    )
    assert yaml.safe_load((out / "data.yaml").read_text()) == {
        "train": "images/train", "val": "images/val", "names": ["cat", "dog"],
    }  # fmt: skip
    for name, label in (("train", 1), ("val", 0)):
        assert (
            out / "labels" / name / "a.txt"
        ).read_text() == f"{label} 0.125 0.166666666667 0.2 0.2\n"
        assert (out / f"{name}.txt").read_text() == f"images/{name}/a.jpg\n"
        assert (out / "images" / name / "a.jpg").is_symlink()
        (picture,) = read_back(out, name).pictures
        assert picture.labels.tolist() == [label]
    assert discover(out).val is not None


def test_given_paths_classes_and_a_list(tmp_path, capsys):
    xml = cvat(tmp_path / "old")
    (tmp_path / "list.txt").write_text("train/b.png\n")
    paths = {"images": tmp_path / "old", "annotations": xml, "list": tmp_path / "list.txt"}
    options = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    args = ["convert", str(tmp_path / "new"), "--to", "coco", *options]
    assert main([*args, "--classes", "dog", "cat"]) == 0
    content = json.loads((tmp_path / "new" / "annotations.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["train/b.png"]
    assert [(a["category_id"], a["bbox"]) for a in content["annotations"]] == [(2, [2, 2, 7, 6])]
    for wrong, words in (
        (["convert", "x", "--to", "coco"], "give a folder, or --images and --annotations"),
        (["convert", str(tmp_path), "x", "--to", "coco", "--images", "y"], "--images: "),
        ([*args, "--classes", "cat", "cat"], "--classes: class name 'cat' occurs twice"),
    ):
        assert main(wrong) != 0
        assert words in capsys.readouterr().err


def test_nothing_is_left_of_a_conversion_that_fails(tmp_path, images, monkeypatch):
    picture = Picture(images / "absent.jpg", 1, *SIZE, *[np.zeros((0, 4), np.float32)] * 3)
    found = Annotations(("cat",), (1,), [picture])
    with pytest.raises(NanodetError, match="new"):
        convert({"": (found, images)}, tmp_path / "new", "coco")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]
    found.pictures[0].path = images / "a.jpg"
    monkeypatch.setattr("nanodet.data.writers.coco.write_text", lambda path, text: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        convert({"": (found, images)}, tmp_path / "new", "coco")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_an_exif_rotation_is_told(tmp_path, images):
    (picture,) = [Picture(images / "a.jpg", 1, *SIZE, *[np.zeros((0, 4), np.float32)] * 3)]
    found = Annotations(("cat",), (1,), [picture])
    found.counts.exif = 3
    (line,) = convert({"": (found, images)}, tmp_path / "new", "yolo")
    assert "3 images have an EXIF rotation" in line and line.endswith("orientation: turned")


@pytest.mark.parametrize("to", WRITERS)
@pytest.mark.parametrize("pictures", ["copy", "link"])
@pytest.mark.parametrize("turned", [True, False])
def test_images_turned_by_exif_come_back_as_they_were_labelled(tmp_path, to, pictures, turned):
    """Also where the sizes do not tell: upside down, mirrored, square."""
    folder, out = tmp_path / "images", tmp_path / "out"
    folder.mkdir()
    names = [f"{n}.jpg" for n in (1, 2, 3, 4, 6)] + ["square.mpo"]
    for n, name in zip((1, 2, 3, 4, 6, 5), names, strict=True):
        write_turned(folder / name, n, (48, 48) if n == 5 else (64, 48))
    ann = annotate(tmp_path, "coco", dict.fromkeys(names, turned))
    way = "turned" if turned else "stored"
    sources = sets_of(None, folder, ann, Reading("coco"))
    sets = read_sets(sources, None, Reading("coco", orientation=way), print)
    (line,) = convert(sets, out, to, pictures)
    assert "5 images have an EXIF rotation" in line and line.endswith(way)
    old = {record.path.name: record for record in sets[""][0].pictures}
    back = read_back(out)
    assert len(back.pictures) == 6 and not back.counts.exif
    for record in back.pictures:
        before = old[record.path.name]
        np.testing.assert_allclose(record.boxes, before.boxes, atol=1e-4)
        seen, meant = load_picture(record).astype(int), load_picture(before).astype(int)
        assert np.abs(seen - meant).mean() < 3
    assert (out / "images" / "1.jpg").is_symlink() == (pictures == "link")


@pytest.mark.parametrize("to", WRITERS)
def test_names_that_mean_something_else_in_the_new_set(tmp_path, to):
    """Names of one accent in both forms of Unicode, of files with class names, and of splits."""
    folder = tmp_path / "images"
    (folder / "images" / "labels").mkdir(parents=True)
    stems = [
        "\u00e9",
        "e\u0301",
        "classes",
        "images/labels/classes",
        "train",
        "labels",
        "data",
        "a",
    ]
    pictures = []
    for n, stem in enumerate(stems):
        file = folder / f"{stem}.jpg"
        cv2.imwrite(str(file), np.full((30, 40, 3), 20 * n, np.uint8))
        box = np.array([[n, 2, 20, 20]], np.float32)
        pictures.append(Picture(file, n + 1, *SIZE, box, np.zeros(1, np.int64), np.ones(1)))
    out = tmp_path / "out"
    convert({"": (Annotations(("cat",), (1,), pictures), folder)}, out, to)
    back = read_back(out)
    assert back.class_names == ("cat",)
    found = {load_picture(p)[0, 0, 0] // 20: p.boxes.round(3).tolist() for p in back.pictures}
    assert found == {n: [[n, 2, 20, 20]] for n in range(len(stems))}


def test_classes_that_only_a_later_set_has_are_not_lost(tmp_path, capsys):
    for split, names in (("train", ["cat"]), ("val", ["cat", "dog"])):
        for n, name in enumerate(names):
            for kind in ("images", "annotations"):
                (tmp_path / "old" / kind / split).mkdir(parents=True, exist_ok=True)
            file = tmp_path / "old" / "images" / split / f"{n}.jpg"
            cv2.imwrite(str(file), np.zeros((30, 40, 3), np.uint8))
            (tmp_path / "old" / "annotations" / split / f"{n}.xml").write_text(
                f"<annotation><object><name>{name}</name><bndbox><xmin>1</xmin><ymin>2</ymin>"
                "<xmax>9</xmax><ymax>8</ymax></bndbox></object></annotation>"
            )
    args = ["convert", str(tmp_path / "old"), str(tmp_path / "new"), "--to", "coco"]
    assert main(args) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "'dog' (1 object" in line and "--classes" in line and "--unknown-classes skip" in line
    assert not (tmp_path / "new").exists()
    assert main([*args, "--classes", "cat", "dog"]) == 0
    assert "val: 2 images, 2 boxes of 2 classes" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "new")
    assert main([*args, "--unknown-classes", "skip"]) == 0
    assert "val: 2 images, 1 box of 1 class" in capsys.readouterr().out


def test_a_new_set_in_the_old_one_is_refused(tmp_path, capsys):
    xml = cvat(tmp_path / "old")
    before = sorted((tmp_path / "old").rglob("*"))
    paths = ["--images", str(tmp_path / "old"), "--annotations", str(xml)]
    out = str(tmp_path / "old" / "train" / "new")
    for words in ([str(tmp_path / "old"), out], [out, *paths]):
        assert main(["convert", *words, "--to", "coco"]) == 1
        assert f"new: is below {tmp_path / 'old'}" in capsys.readouterr().err
    assert sorted((tmp_path / "old").rglob("*")) == before


def test_the_option_has_the_formats_of_the_table():
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    (action,) = (action for action in parser._actions if action.dest == "to")
    assert list(action.choices) == list(WRITERS)
