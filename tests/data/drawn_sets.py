"""Small annotated sets on disk: noise, or one rectangle a picture."""

import cv2
import numpy as np

from nanodet.config.data_sections import Dataset, Pipeline
from nanodet.data.dataset import DetectionSet
from nanodet.data.records import Annotations, Picture

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255)]


def noise(folder):
    """Three images of noise of different shapes, with four boxes and an ignored region each."""
    rng, records = np.random.default_rng(7), []
    for n, (w, h) in enumerate([(200, 150), (120, 160), (320, 90)]):
        path = folder / f"{n}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (h, w, 3), np.uint8))
        boxes = []
        for _ in range(5):
            x, y = rng.integers(0, (w - 20, h - 20))
            boxes.append((x, y, min(x + 40, w), min(y + 30, h)))
        all_boxes = np.array(boxes, np.float32)
        records.append(
            Picture(
                path, n, w, h, all_boxes[:4], np.array([0, 1, 0, 1]), np.ones(4, np.float32),
                all_boxes[4:], np.zeros(1, np.int64), np.ones(1, np.float32), np.zeros(1, bool),
            )
        )  # fmt: skip
    return Annotations(("a", "b"), (1, 2), records)


def rectangles(folder):
    """An image for each of `COLOURS`, black with a rectangle of this colour; its number is the label."""
    rng, records = np.random.default_rng(0), []
    for n, colour in enumerate(COLOURS):
        w, h = (int(side) for side in rng.integers(100, 400, 2))
        x, y = (int(v) for v in rng.integers(0, (w // 2, h // 2)))
        right, bottom = (int(v) for v in rng.integers((x + 20, y + 20), (w + 1, h + 1)))
        picture = np.zeros((h, w, 3), np.uint8)
        picture[y:bottom, x:right] = colour
        path = folder / f"{n}.png"
        cv2.imwrite(str(path), picture)
        box = np.array([[x, y, right, bottom]], np.float32)
        records.append(Picture(path, n, w, h, box, np.array([n]), np.ones(1, np.float32)))
    return Annotations(tuple("abcdef"), (1, 2, 3, 4, 5, 6), records)


def detection_set(annotations, pipeline, fit="letterbox", seed=5, **more):
    """A training set over annotations, with a ``pipeline`` of these settings."""
    section = Dataset(
        "CocoDataset", "", "", input_size=[128, 96], fit=fit, pipeline=Pipeline(**pipeline),
        cache=more.pop("cache", False),
    )  # fmt: skip
    return DetectionSet(annotations, section, True, seed, **more)


def same(a, b):
    """Whether two samples are equal in all that is trained on."""
    names = ("image", "boxes", "labels", "ignored")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)
