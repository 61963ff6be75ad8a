"""Data sets of drawn images, laid out as labelling tools and trainings expect them."""

import hashlib
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

    def objects(self, n: int):
        """Yield (class name, x1, y1, x2, y2) of an image's boxes."""
        for box, label in zip(*self.pictures[n][1:], strict=True):
            yield (CLASSES[label], *box)

    def size(self, n: int):
        height, width = self.pictures[n][0].shape[:2]
        return width, height


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


def voc_image_folders(root, drawn, splits=("train", "val")):
    """Images in folders of their split, but all annotations in one."""
    for split in splits:
        drawn.images(root / "images" / split, SPLITS[split])
        drawn.voc(root / "annotations", SPLITS[split])


def voc_renamed(root, drawn):
    """XML files with other names than their images, which they name."""
    voc(root, drawn)
    for n in EVERY:
        (root / "annotations" / f"{n:04d}.xml").rename(root / "annotations" / f"label {9 - n}.xml")


def coco_cameras(root, drawn):
    """Images of the same names in two folders."""
    coco_alone(root, drawn)
    text = (root / "result.json").read_text()
    for n in EVERY:
        camera = root / "images" / f"camera {n % 2}"
        camera.mkdir(exist_ok=True)
        (root / "images" / f"{n:04d}.jpg").rename(camera / f"{n // 2}.jpg")
        text = text.replace(f"images/{n:04d}.jpg", f"camera {n % 2}/{n // 2}.jpg")
    (root / "result.json").write_text(text)


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


def cvat(root, drawn):
    """CVAT for images 1.1."""
    drawn.images(root / "images", EVERY)
    parts = []
    for n in EVERY:
        boxes = "".join(
            f'<box label="{name}" occluded="0" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"></box>'
            for name, x1, y1, x2, y2 in drawn.objects(n)
        )
        width, height = drawn.size(n)
        parts.append(
            f'<image id="{n}" name="{n:04d}.jpg" width="{width}" height="{height}">{boxes}</image>'
        )
    text = f"<annotations><version>1.1</version>{''.join(parts)}</annotations>"
    (root / "annotations.xml").write_text(text)


def labelstudio(root, drawn):
    """Label Studio's JSON: the images as its server names them, boxes in percent."""
    drawn.images(root / "pictures", EVERY)
    tasks = []
    for n in EVERY:
        width, height = drawn.size(n)
        results = [
            {
                "original_width": width, "original_height": height, "type": "rectanglelabels",
                "from_name": "label", "to_name": "image", "value": {
                    "x": 100 * x1 / width, "y": 100 * y1 / height, "width": 100 * (x2 - x1) / width,
                    "height": 100 * (y2 - y1) / height, "rotation": 0, "rectanglelabels": [name],
                },
            }
            for name, x1, y1, x2, y2 in drawn.objects(n)
        ]  # fmt: skip
        tasks.append({
            "id": n, "data": {"image": f"/data/upload/1/0a1b2c3d-{n:04d}.jpg"},
            "annotations": [{"id": n, "result": results, "was_cancelled": False}], "predictions": [],
        })  # fmt: skip
    (root / "project-1.json").write_text(json.dumps(tasks))


def labelme(root, drawn):
    """LabelMe's files beside the images, made on Windows."""
    drawn.images(root, EVERY)
    for n in EVERY:
        width, height = drawn.size(n)
        shapes = [
            {
                "label": name,
                "points": [[x2, y2], [x1, y1]],
                "group_id": None,
                "shape_type": "rectangle",
            }
            for name, x1, y1, x2, y2 in drawn.objects(n)
        ]
        content = {
            "version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": f"..\\x\\{n:04d}.jpg",
            "imageData": None, "imageHeight": height, "imageWidth": width,
        }  # fmt: skip
        (root / f"{n:04d}.json").write_text(json.dumps(content))


def via(root, drawn):
    """VIA's project, with an attribute of the user's for the class."""
    drawn.images(root / "images", EVERY)
    metadata = {}
    for n in EVERY:
        regions = [
            {
                "shape_attributes": {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1},
                "region_attributes": {"shape": name},
            }
            for name, x1, y1, x2, y2 in drawn.objects(n)
        ]  # fmt: skip
        metadata[f"{n:04d}.jpg77"] = {"filename": f"{n:04d}.jpg", "size": 77, "regions": regions}
    options = {"type": "dropdown", "options": dict.fromkeys(CLASSES, ""), "default_options": {}}
    content = {
        "_via_settings": {}, "_via_img_metadata": metadata, "_via_data_format_version": "2.0.10",
        "_via_attributes": {"region": {"shape": options}, "file": {}},
    }  # fmt: skip
    (root / "via_project.json").write_text(json.dumps(content))


def createml(root, drawn):
    """Roboflow's for Create ML: a file in the folder of each split."""
    for split, which in (("train", TRAIN), ("valid", VAL)):
        drawn.images(root / split, which)
        content = [
            {
                "image": f"{n:04d}.jpg",
                "annotations": [
                    {"label": name, "coordinates": {
                        "x": (x1 + x2) / 2, "y": (y1 + y2) / 2, "width": x2 - x1, "height": y2 - y1}}
                    for name, x1, y1, x2, y2 in drawn.objects(n)
                ],
            }
            for n in which
        ]  # fmt: skip
        (root / split / "_annotations.createml.json").write_text(json.dumps(content))


def csv(root, drawn):
    """TensorFlow's tutorials: a table for each set beside one folder of images."""
    drawn.images(root / "images", EVERY)
    for split, which in (("train", TRAIN), ("test", VAL)):
        rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
        for n in which:
            width, height = drawn.size(n)
            rows += [
                f"{n:04d}.jpg,{width},{height},{name},{x1:.0f},{y1:.0f},{x2:.0f},{y2:.0f}"
                for name, x1, y1, x2, y2 in drawn.objects(n)
            ]
        (root / f"{split}_labels.csv").write_text("\n".join(rows))


# layout: (function, images to train on and to evaluate on; None if it has no split)
LAYOUTS = {
    "coco_per_split": (coco_per_split, len(TRAIN), len(VAL)),
    "coco_one_folder": (coco_one_folder, len(TRAIN), len(VAL)),
    "coco_alone": (coco_alone, 10, None),
    "roboflow_coco": (roboflow_coco, len(TRAIN), len(VAL)),
    "voc_lists": (voc_lists, len(TRAIN), len(VAL)),
    "voc": (voc, 10, None),
    "voc_image_folders": (voc_image_folders, 9, None),
    "voc_renamed": (voc_renamed, 10, None),
    "voc_beside": (voc_beside, 10, None),
    "voc_folders": (voc_folders, len(TRAIN), len(VAL)),
    "yolo_names": (yolo_names, len(TRAIN), len(VAL)),
    "yolo_roboflow": (yolo_roboflow, len(TRAIN), len(VAL)),
    "yolo_same": (yolo_same, 10, None),
    "yolo_lists": (yolo_lists, len(TRAIN), len(VAL)),
    "yolo_classes": (yolo_classes, 10, None),
    "yolo_cvat": (yolo_cvat, len(TRAIN), len(VAL)),
    "cvat": (cvat, 10, None),
    "labelstudio": (labelstudio, 10, None),
    "labelme": (labelme, 10, None),
    "via": (via, 10, None),
    "createml": (createml, len(TRAIN), len(VAL)),
    "csv": (csv, len(TRAIN), len(VAL)),
}


def state(folder):
    """Return the hash of each file of a folder."""
    return {p: hashlib.sha1(p.read_bytes()).digest() for p in folder.rglob("*") if p.is_file()}
