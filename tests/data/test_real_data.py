"""Annotation readers on real data."""

import json

import numpy as np

from nanodet.data.read import read_annotations


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
