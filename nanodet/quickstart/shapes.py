"""Draws a small detection set: coloured shapes on textured backgrounds, as COCO annotations."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from nanodet.files.files import make_folder, write_text

CLASSES = ("circle", "square", "triangle", "star")
SIZES = ((240, 180), (180, 240), (200, 200))  # (width, height) of images
_SHIFT = 4  # OpenCV draws at 1/16 pixel


def draw_set(folder: Path, count: int, seed: int) -> tuple[Path, Path]:
    """Write ``count`` images and their ``annotations.json`` into ``folder``.

    The same seed draws the same set.

    Returns:
        the folder of images and the annotation file.
    """
    folder = Path(folder)
    make_folder(folder / "images")
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        picture, boxes, labels = draw_picture(rng)
        name = f"{index:04d}.jpg"
        cv2.imwrite(str(folder / "images" / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
        height, width = picture.shape[:2]
        images.append({"id": index + 1, "file_name": name, "width": width, "height": height})
        for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
            annotations.append({
                "id": len(annotations) + 1, "image_id": index + 1, "category_id": label + 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0,
            })  # fmt: skip
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)]
    mapping = {"images": images, "annotations": annotations, "categories": categories}
    write_text(folder / "annotations.json", json.dumps(mapping))
    return folder / "images", folder / "annotations.json"


def draw_picture(rng: np.random.Generator) -> tuple[np.ndarray, list[list[float]], list[int]]:
    """Draw one image.

    Returns:
        uint8 (H, W, 3) BGR; boxes, a list of (x1, y1, x2, y2) in pixels; labels, a list of int.
    """
    width, height = SIZES[rng.integers(len(SIZES))]
    picture = _background(rng, width, height)
    boxes: list[list[float]] = []
    labels: list[int] = []
    for _ in range(rng.integers(1, 7)):
        label = int(rng.integers(len(CLASSES)))
        # as many small ones as large ones: sizes are uniform on a logarithmic scale
        radius = float(np.exp(rng.uniform(np.log(12), np.log(0.3 * min(width, height)))))
        centre = rng.uniform((radius, radius), (width - radius, height - radius))
        outline = _outline(label, centre, radius, rng.uniform(0, 2 * np.pi))
        box = [*outline.min(axis=0), *outline.max(axis=0)]
        if any(_covered(box, other) > 0.4 or _covered(other, box) > 0.4 for other in boxes):
            continue  # overlaps are wanted, hidden shapes are not
        _paint(picture, outline, rng)
        boxes.append([round(float(v), 2) for v in np.clip(box, 0, (width, height, width, height))])
        labels.append(label)
    return picture, boxes, labels


def _outline(label: int, centre: np.ndarray, radius: float, turn: float) -> np.ndarray:
    """Return the outline of a shape as float (N, 2) x, y in pixels."""
    corners = {"circle": 48, "square": 4, "triangle": 3, "star": 10}[CLASSES[label]]
    angle = turn + np.arange(corners) * 2 * np.pi / corners
    reach = np.full(corners, radius)
    if CLASSES[label] == "star":
        reach[1::2] *= 0.45
    return centre + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _paint(picture: np.ndarray, outline: np.ndarray, rng: np.random.Generator) -> None:
    points = np.round(outline * 2**_SHIFT).astype(np.int32)
    colour = rng.uniform(0, 255, 3)
    ground = picture[tuple(np.clip(outline.mean(axis=0), 0, 10**4).astype(int)[::-1])]
    if np.abs(colour - ground).max() < 80:
        colour = (colour + 128) % 256  # camouflage teaches nothing
    cv2.fillPoly(picture, [points], colour.tolist(), cv2.LINE_AA, _SHIFT)
    cv2.polylines(picture, [points], True, (colour * 0.6).tolist(), 1, cv2.LINE_AA, _SHIFT)


def _background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Return a smooth random texture, uint8 (height, width, 3)."""
    picture = np.full((height, width, 3), rng.uniform(40, 215, 3), np.float32)
    for cells in (3, 8, 24):
        coarse = rng.normal(0, 40 / np.sqrt(cells), (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    picture += rng.normal(0, 6, (height, width, 1))
    return np.clip(picture, 0, 255).astype(np.uint8)


def _covered(box: Sequence[float], other: Sequence[float]) -> float:
    """Return the part of ``box`` that ``other`` covers, 0..1."""
    w = min(box[2], other[2]) - max(box[0], other[0])
    h = min(box[3], other[3]) - max(box[1], other[1])
    return max(w, 0) * max(h, 0) / ((box[2] - box[0]) * (box[3] - box[1]))
