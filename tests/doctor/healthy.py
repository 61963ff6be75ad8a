"""A healthy data set of drawn images, as COCO and YOLO files, into which faults are planted."""

import functools
import json
import shutil

import cv2
import numpy as np

from nanodet.config.load import config_from_dict
from nanodet.doctor.subject import Subject

SIZE = 160, 120  # width, height
NAMES = ("disc", "square")
COUNTS = {"train": 30, "val": 16}


@functools.cache
def draw(number):
    """Return an image with structure all over, and its boxes xywh with classes; not to be changed."""
    rng = np.random.default_rng(number)
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.float32)
    for cells in (4, 10, 24):
        noise = rng.normal(size=(cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, SIZE, interpolation=cv2.INTER_CUBIC)
    picture = np.clip(128 + 30 * picture, 0, 255).astype(np.uint8)
    boxes = []
    for n, left in enumerate((10, 90)):
        side = int(rng.integers(26, 46))
        x, y = left + int(rng.integers(0, 20)), int(rng.integers(5, SIZE[1] - 50))
        label = (number + n) % 2
        colour = tuple(int(v) for v in rng.integers(0, 255, 3))
        if label:
            cv2.rectangle(picture, (x, y), (x + side - 1, y + side - 1), colour, -1)
        else:
            cv2.circle(picture, (x + side // 2, y + side // 2), side // 2, colour, -1)
        boxes.append(([x, y, side, side], label))
    return picture, boxes


def write_images(folder):
    """Write the images of both sets into ``folder/train`` and ``folder/val``."""
    number = 0
    for part, count in COUNTS.items():
        (folder / part).mkdir()
        for n in range(count):
            cv2.imwrite(str(folder / part / f"{n:03d}.png"), draw(number)[0])
            number += 1


class HealthySet:
    """A copy of the images in ``folder``, with COCO annotations as dicts to be changed.

    Attributes:
        train, val: COCO's dicts; config: a mapping.
    """

    def __init__(self, folder, images):
        shutil.copytree(images, folder, dirs_exist_ok=True)
        self.folder, number = folder, 0
        for part, count in COUNTS.items():
            found = {
                "images": [], "annotations": [],
                "categories": [{"id": n + 1, "name": name} for n, name in enumerate(NAMES)],
            }  # fmt: skip
            for n in range(count):
                size = {"width": SIZE[0], "height": SIZE[1]}
                found["images"].append({"id": n, "file_name": f"{n:03d}.png", **size})
                for box, label in draw(number)[1]:
                    self.add(found, n, list(box), label)
                number += 1
            setattr(self, part, found)
        self.config = {
            "save_dir": str(folder / "run"),
            "model": {"arch": {
                "name": "OneStageDetector",
                "backbone": {"name": "ShuffleNetV2", "model_size": "0.5x", "pretrain": False},
                "fpn": {"name": "PAN", "in_channels": [48, 96, 192], "out_channels": 96},
                "head": {"name": "NanoDetHead"},
            }},
            "data": {part: {
                "name": "CocoDataset", "img_path": str(folder / part),
                "ann_path": str(folder / f"{part}.json"), "input_size": [160, 128], "fit": "letterbox",
            } for part in COUNTS},
            "schedule": {
                "optimizer": {"name": "AdamW", "lr": 0.001}, "total_epochs": 1, "val_intervals": 1,
                "warmup": {"name": "linear", "steps": 1, "ratio": 0.1},
                "lr_schedule": {"name": "CosineAnnealingLR"},
            },
            "device": {"gpu_ids": -1, "workers_per_gpu": 0, "batchsize_per_gpu": 8},
            "class_names": list(NAMES),
        }  # fmt: skip

    @staticmethod
    def add(found, image, box, label):
        """Add an annotation to a COCO dict."""
        entry = {"id": len(found["annotations"]) + 1, "image_id": image, "category_id": label + 1}
        found["annotations"].append({**entry, "bbox": box, "area": box[2] * box[3], "iscrowd": 0})

    def write_yolo(self):
        """Replace the training set by the same in YOLO's files."""
        labels = self.folder / "labels"
        labels.mkdir()
        (labels / "classes.txt").write_text("\n".join(NAMES))
        for image in self.train["images"]:
            lines = []
            for one in self.train["annotations"]:
                if one["image_id"] == image["id"]:
                    x, y, w, h = one["bbox"]
                    values = (x + w / 2) / SIZE[0], (y + h / 2) / SIZE[1], w / SIZE[0], h / SIZE[1]
                    lines.append(" ".join(map(str, (one["category_id"] - 1, *values))))
            (labels / f"{image['file_name'][:-4]}.txt").write_text("\n".join(lines))
        self.config["data"]["train"] |= {"name": "YoloDataset", "ann_path": str(labels)}

    def build(self):
        """Write the annotations, and return the `Config`."""
        for part in COUNTS:
            (self.folder / f"{part}.json").write_text(json.dumps(getattr(self, part)))
        return config_from_dict(self.config, "my.yml")

    def subject(self):
        """Write the annotations, and return the `Subject`."""
        return Subject.of_config(self.build(), "my.yml")
