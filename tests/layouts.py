"""Data sets of drawn images, laid out as labelling tools and trainings expect them."""

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from nanodet.quickstart.shapes import CLASSES, draw_picture


class Drawn:
    """``count`` drawn images: pixels, boxes and labels, which the methods write to files."""

    def __init__(self, count=10, seed=0):
        self.pictures = [draw_picture(np.random.default_rng([seed, n])) for n in range(count)]

    def images(self, folder: Path, which: Iterable[int]):
        folder.mkdir(parents=True, exist_ok=True)
        for n in which:
            cv2.imwrite(str(folder / f"{n:04d}.jpg"), self.pictures[n][0])

    def coco(self, file: Path, which: Iterable[int], inside: str = ""):
        images, annotations = [], []
        for n in which:
            picture, boxes, labels = self.pictures[n]
            height, width = picture.shape[:2]
            name = f"{inside}{n:04d}.jpg"
            images.append({"id": n, "file_name": name, "width": width, "height": height})
            for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
                annotations.append({
                    "id": len(annotations), "image_id": n, "category_id": label,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                })  # fmt: skip
        categories = [{"id": n, "name": name} for n, name in enumerate(CLASSES)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))

    def voc(self, folder: Path, which: Iterable[int]):
        folder.mkdir(parents=True, exist_ok=True)
        for n in which:
            _, boxes, labels = self.pictures[n]
            objects = "".join(
                f"<object><name>{CLASSES[label]}</name><bndbox><xmin>{x1:.0f}</xmin><ymin>{y1:.0f}</ymin>"
                f"<xmax>{x2:.0f}</xmax><ymax>{y2:.0f}</ymax></bndbox></object>"
                for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True)
            )
            (folder / f"{n:04d}.xml").write_text(
                f"<annotation><filename>{n:04d}.jpg</filename>{objects}</annotation>"
            )

    def yolo(self, folder: Path, which: Iterable[int]):
        folder.mkdir(parents=True, exist_ok=True)
        for n in which:
            picture, boxes, labels = self.pictures[n]
            height, width = picture.shape[:2]
            lines = []
            for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
                w, h = (x2 - x1) / width, (y2 - y1) / height
                lines.append(
                    f"{label} {x1 / width + w / 2:.5f} {y1 / height + h / 2:.5f} {w:.5f} {h:.5f}"
                )
            (folder / f"{n:04d}.txt").write_text("\n".join(lines))


TRAIN, VAL, TEST = range(7), range(7, 9), range(9, 10)
EVERY = range(10)
SPLITS = {"train": TRAIN, "val": VAL, "test": TEST}


def names(which):
    return "".join(f"{n:04d}\n" for n in which)


def coco_per_split(root, drawn):
    """COCO's own layout: a file and a folder for each split, beside files that are of other tasks."""
    for split, which in SPLITS.items():
        drawn.images(root / f"{split}2017", which)
        drawn.coco(root / "annotations" / f"instances_{split}2017.json", which)
        drawn.coco(root / "annotations" / f"person_keypoints_{split}2017.json", which)


def coco_one_folder(root, drawn):
    drawn.images(root / "images", EVERY)
    for split in ("train", "val"):
        drawn.coco(root / f"{split}.json", SPLITS[split], "images/")


def coco_alone(root, drawn):
    drawn.images(root / "images", EVERY)
    drawn.coco(root / "result.json", EVERY, "images/")


def roboflow_coco(root, drawn):
    for split, which in (("train", TRAIN), ("valid", VAL), ("test", TEST)):
        drawn.images(root / split, which)
        drawn.coco(root / split / "_annotations.coco.json", which)
    (root / "README.roboflow.txt").write_text("Exported on a day\n")


def voc_lists(root, drawn):
    drawn.images(root / "JPEGImages", EVERY)
    drawn.images(root / "SegmentationClass", VAL)
    drawn.voc(root / "Annotations", EVERY)
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "ImageSets" / "Layout").mkdir(parents=True)
    for split, which in SPLITS.items():
        for folder in ("Main", "Layout"):
            (root / "ImageSets" / folder / f"{split}.txt").write_text(names(which))
    (root / "ImageSets" / "Main" / "trainval.txt").write_text(names([*TRAIN, *VAL]))
    (root / "ImageSets" / "Main" / "circle_train.txt").write_text("0000 1\n0001 -1\n")


def voc(root, drawn):
    drawn.images(root / "images", EVERY)
    drawn.voc(root / "annotations", EVERY)


def voc_beside(root, drawn):
    drawn.images(root, EVERY)
    drawn.voc(root, EVERY)


def voc_folders(root, drawn):
    """Roboflow's export for Pascal VOC: folders of both kinds of files."""
    for split, which in (("train", TRAIN), ("valid", VAL)):
        drawn.images(root / split, which)
        drawn.voc(root / split, which)


def yolo_names(root, drawn):
    """Ultralytics' layout, with numbered names and the ``path`` of another machine."""
    for split in ("train", "val"):
        drawn.images(root / "images" / split, SPLITS[split])
        drawn.yolo(root / "labels" / split, SPLITS[split])
    lines = [f"path: /home/someone/datasets/{root.name}", "train: images/train", "val: images/val"]
    lines += ["test:", "names:", *(f"  {n}: {name}" for n, name in enumerate(CLASSES))]
    (root / "data.yaml").write_text("\n".join(lines))


def yolo_roboflow(root, drawn):
    """Roboflow's: paths that begin one folder too high, and a test set that was not exported."""
    for split, which in (("train", TRAIN), ("valid", VAL)):
        drawn.images(root / split / "images", which)
        drawn.yolo(root / split / "labels", which)
    lines = ["train: ../train/images", "val: ../valid/images", "test: ../test/images", "", "nc: 4"]
    (root / "data.yaml").write_text("\n".join([*lines, f"names: {list(CLASSES)}"]))


def yolo_same(root, drawn):
    """The same folder for both, as in the first examples of YOLO."""
    drawn.images(root / "images" / "all", EVERY)
    drawn.yolo(root / "labels" / "all", EVERY)
    text = f"train: images/all\nval: images/all\nnames: {list(CLASSES)}\n"
    (root / "data.yaml").write_text(text)


def yolo_lists(root, drawn):
    drawn.images(root / "images", EVERY)
    drawn.yolo(root / "labels", EVERY)
    for split in ("train", "val"):
        lines = "".join(f"./images/{n:04d}.jpg\n" for n in SPLITS[split])
        (root / f"{split}.txt").write_text(lines)
    (root / "shapes.yaml").write_text(
        f"path: .\ntrain: train.txt\nval: val.txt\nnames: {list(CLASSES)}\n"
    )


def yolo_classes(root, drawn):
    """Label Studio's: no split, and the names in classes.txt."""
    drawn.images(root / "images", EVERY)
    drawn.yolo(root / "labels", EVERY)
    (root / "classes.txt").write_text("\n".join(CLASSES))
    (root / "notes.json").write_text('{"categories": [], "info": {"year": 2024}}')


def yolo_cvat(root, drawn):
    """CVAT's for YOLO 1.1: labels beside the images, and lists with paths of the exported task."""
    for folder, file, which in (
        ("obj_train_data", "train", TRAIN), ("obj_valid_data", "valid", VAL),
    ):  # fmt: skip
        drawn.images(root / folder, which)
        drawn.yolo(root / folder, which)
        (root / f"{file}.txt").write_text("".join(f"data/{folder}/{n:04d}.jpg\n" for n in which))
    (root / "obj.names").write_text("\n".join(CLASSES))
    (root / "obj.data").write_text("classes = 4\ntrain = data/train.txt\nnames = data/obj.names\n")


# layout: (function, images to train on and to evaluate on; None if it has no split)
LAYOUTS = {
    "coco_per_split": (coco_per_split, len(TRAIN), len(VAL)),
    "coco_one_folder": (coco_one_folder, len(TRAIN), len(VAL)),
    "coco_alone": (coco_alone, 10, None),
    "roboflow_coco": (roboflow_coco, len(TRAIN), len(VAL)),
    "voc_lists": (voc_lists, len(TRAIN), len(VAL)),
    "voc": (voc, 10, None),
    "voc_beside": (voc_beside, 10, None),
    "voc_folders": (voc_folders, len(TRAIN), len(VAL)),
    "yolo_names": (yolo_names, len(TRAIN), len(VAL)),
    "yolo_roboflow": (yolo_roboflow, len(TRAIN), len(VAL)),
    "yolo_same": (yolo_same, 10, None),
    "yolo_lists": (yolo_lists, len(TRAIN), len(VAL)),
    "yolo_classes": (yolo_classes, 10, None),
    "yolo_cvat": (yolo_cvat, len(TRAIN), len(VAL)),
}
