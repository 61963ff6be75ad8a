"""YOLO data sets as the tools lay them out."""

import json
import shutil

import pytest

from nanodet.data.discover import discover
from nanodet.data.read import read_annotations
from nanodet.data.recognise import formats_of, recognise

BOX = "1 0.5 0.5 0.25 0.2\n"


def test_cvat_yolo_1_1(tmp_path, images):
    folder = tmp_path / "obj_train_data"
    shutil.copytree(images, folder)
    (folder / "a.txt").write_text(BOX)
    (folder / "b.txt").write_text("")
    (tmp_path / "obj.data").write_text(
        "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n"
    )
    (tmp_path / "obj.names").write_text("dog\ncat\n")
    listed = tmp_path / "train.txt"
    listed.write_text("data/obj_train_data/b.jpg\ndata/obj_train_data/a.jpg\n")
    assert recognise(folder) == "YoloDataset"
    data = read_annotations("yolo", folder, folder, listed)
    assert data.class_names == ("dog", "cat")
    assert [(p.path.name, p.boxes.tolist()) for p in data.pictures] == [
        ("b.jpg", []), ("a.jpg", [[15, 12, 25, 18]]),
    ]  # fmt: skip
    assert (
        recognise(tmp_path) == "YoloDataset"
    )  # the lists, names and obj.data around it do not count
    data = read_annotations("yolo", tmp_path / "obj_train_data", tmp_path / "obj_train_data")
    assert (data.notes, data.counts.without_picture) == ([], 0)


@pytest.mark.parametrize(
    "path", ["./images/train/a.jpg", "/content/set/images/train/a.jpg", "images\\train\\a.jpg"]
)
def test_list_files_of_paths(tmp_path, images, path):
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (tmp_path / "set" / kind / split).mkdir(parents=True)
        shutil.copy(images / "a.jpg", tmp_path / "set" / "images" / split / "a.jpg")
        (tmp_path / "set" / "labels" / split / "a.txt").write_text(BOX)
    (tmp_path / "set" / "data.yaml").write_text(
        "path: ./\ntrain: train.txt\nnames:\n  0: dog\n  1: cat\n"
    )
    listed = tmp_path / "set" / "train.txt"
    listed.write_text(path + "\n")
    data = read_annotations(
        "yolo", tmp_path / "set" / "images", tmp_path / "set" / "labels", listed
    )
    assert [p.path.parent.name for p in data.pictures] == ["train"]
    assert data.class_names == ("dog", "cat")


def test_roboflow_with_polygons_and_the_split_above(tmp_path, images):
    for kind in ("images", "labels"):
        (tmp_path / "set" / "train" / kind).mkdir(parents=True)
    name = "a_jpg.rf.0123456789abcdef0123456789abcdef"
    shutil.copy(images / "a.jpg", tmp_path / "set" / "train" / "images" / f"{name}.jpg")
    lines = "0 0.1 0.2 0.5 0.2 0.5 0.6 0.1 0.6\n0 0.5 0.5 0.9 0.5 0.7 0.9\n" + BOX
    (tmp_path / "set" / "train" / "labels" / f"{name}.txt").write_text(lines)
    (tmp_path / "set" / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\n\nnc: 2\nnames: ['dog', 'cat']\n\nroboflow:\n  v: 1\n"
    )
    (tmp_path / "set" / "README.dataset.txt").write_text("pets\n")
    folder = tmp_path / "set" / "train"
    data = read_annotations("yolo", folder / "images", folder / "labels")
    assert data.pictures[0].boxes.round(3).tolist() == [
        [4, 6, 20, 18],
        [20, 15, 36, 27],
        [15, 12, 25, 18],
    ]


def test_roboflow_voc_with_xml_beside_the_images(images):
    (images / "a.xml").write_text(
        "<annotation><folder></folder><filename>a.jpg</filename><path>a.jpg</path><source><database>"
        "roboflow.com</database></source><size><width>40</width><height>30</height><depth>3</depth></size>"
        "<segmented>0</segmented><object><name>cat</name><pose>Unspecified</pose><truncated>0</truncated>"
        "<difficult>0</difficult><occluded>0</occluded><bndbox><xmin>2</xmin><xmax>9</xmax><ymin>3</ymin>"
        "<ymax>8</ymax></bndbox></object></annotation>"
    )
    (images / "README.roboflow.txt").write_text("pets - v1\n")
    assert recognise(images) == "XMLDataset"
    data = read_annotations("voc", images, images)
    assert data.pictures[0].boxes.tolist() == [[2, 3, 9, 8]]


def test_an_export_of_label_studio(tmp_path, images):
    (tmp_path / "labels").mkdir()
    (images / "a.jpg").rename(images / "0a1b2c3d-a.jpg")
    (tmp_path / "labels" / "0a1b2c3d-a.txt").write_text("1 0.5 0.5 0.25 0.2\n")
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    notes = {
        "categories": [{"id": 0, "name": "dog"}, {"id": 1, "name": "cat"}],
        "info": {"year": 2024},
    }
    (tmp_path / "notes.json").write_text(json.dumps(notes))
    assert formats_of(tmp_path / "notes.json") == []
    found = discover(tmp_path)
    assert (found.train.format, found.train.images, found.val) == ("YoloDataset", images, None)
    data = read_annotations("yolo", found.train.images, found.train.annotations)
    assert (data.class_names, data.counts.without_labels) == (("dog", "cat"), 1)
