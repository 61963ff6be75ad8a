"""Copy-paste: objects of this or another image are put into an image, with what is around them."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from nanodet.data.augment.geometry import box_matrix, map_boxes, worth_teaching
from nanodet.data.augment.scene import Scene, Sources
from nanodet.runtime.fit import Placement

COUNT = (1, 3)  # objects
FACTOR = (0.6, 1.4)  # of the size that the object has in its image
LARGEST = 0.6  # of the scene's width and height
TRIES = 8  # places that are tried for an object
COVERED = 0.3  # most of an object that is already there and may be hidden
MARGIN = 0.15  # of the object's sides: around its box it fades into the image
SEEN = 0.6  # of another object in the same box, from which it is taught too
SAME_IMAGE = 0.5  # share of objects from the image itself: they match it in light and sharpness


def copy_paste(
    scene: Scene, sources: Sources, index: int, picture: np.ndarray,
    holders: Sequence[np.ndarray], rng: np.random.Generator,
) -> None:  # fmt: skip
    """Paste objects where they hide little of others.

    First a class is drawn and then one of its objects, so that rare classes are pasted as often as
    frequent ones.

    Args:
        scene: changed in place.
        sources: the images.
        index, picture: of the image itself.
        holders: for each class that has objects, the indices of the images that hold some.
        rng: chooses what is pasted, its size, and where.
    """
    other = rng.random() >= SAME_IMAGE or not len(sources.records[index].boxes)
    kind, which = rng.random(2)
    count = int(rng.integers(COUNT[0], COUNT[1] + 1))
    if other:
        if not holders:
            return
        images = holders[int(kind * len(holders))]
        index = int(images[int(which * len(images))])
        picture = sources.load(index)
    labels = sources.records[index].labels
    layers: list[_Layer] = []
    for _ in range(count):
        one = rng.choice(np.flatnonzero(labels == rng.choice(np.unique(labels))))
        _paste(scene, layers, sources, index, picture, int(one), rng)


class _Layer(NamedTuple):
    """What was pasted: where, how much of each pixel is of it, and how many boxes were there before."""

    x: int
    y: int
    weights: np.ndarray
    below: int


def _paste(
    scene: Scene, layers: list[_Layer], sources: Sources, index: int, picture: np.ndarray, one: int,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Paste the object ``one`` of an image, unless there is no place for it."""
    height, width = picture.shape[:2]
    record, size = sources.records[index], np.array(scene.image.shape[1::-1])
    factor, mirrored, *places = rng.random(2 + 2 * TRIES)
    geometry = np.eye(3)
    if mirrored < sources.pipeline.flip:
        geometry[0] = -1, 0, width
    box = map_boxes(record.boxes[one : one + 1], geometry, (width, height))[0][0].astype(np.float64)
    ratio = (FACTOR[0] + (FACTOR[1] - FACTOR[0]) * factor) * np.array(sources.ratio(picture))
    ratio = ratio * min(1.0, *(LARGEST * size / (ratio * (box[2:] - box[:2]))))
    side = ratio * (box[2:] - box[:2])
    starts = np.array(places).reshape(TRIES, 2) * (size - side)
    for start in starts:
        shift = start - ratio * box[:2]
        # whole pixels around the box, within the source and the scene
        low = np.maximum(start - MARGIN * side, np.maximum(shift, 0))
        end = np.minimum(shift + ratio * (width, height), size)
        high = np.minimum(start + (1 + MARGIN) * side, end)
        (x0, y0), (x1, y1) = np.ceil(low - 1e-6).astype(int), np.floor(high + 1e-6).astype(int)
        if x1 <= x0 or y1 <= y0:
            continue
        (rx, ry), (x, y) = ratio.tolist(), (shift - (x0, y0)).tolist()
        patch_size = int(x1 - x0), int(y1 - y0)
        placement = Placement((rx, ry), (x, y), patch_size, patch_size)
        boxes, inside = map_boxes(record.boxes, box_matrix(geometry, placement), patch_size)
        kept = worth_teaching(boxes, inside) & (inside >= SEEN)
        if not kept[one]:
            continue
        layer = _Layer(int(x0), int(y0), _fading(boxes[one], patch_size), len(scene.boxes))
        if _hidden(scene.boxes, [*layers, layer]) <= COVERED:
            break
    else:
        return
    patch = sources.view(index, picture, geometry, placement)
    target = scene.image[y0:y1, x0:x1]
    target[:] = cv2.blendLinear(patch.image, target, layer.weights, 1 - layer.weights)
    patch.boxes, patch.labels = boxes[kept], record.labels[kept]
    scene.add(patch, (layer.x, layer.y))
    layers.append(layer)


def _hidden(boxes: np.ndarray, layers: Sequence[_Layer]) -> float:
    """Return the largest share of any of ``boxes`` (N, 4) that the layers above it hide."""
    most = 0.0
    for n, box in enumerate(boxes):
        (left, top), (right, bottom) = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
        seen = np.ones((bottom - top, right - left), np.float32)
        for x, y, weights, below in layers:
            height, width = weights.shape
            x0, x1 = max(left, x), min(right, x + width)
            y0, y1 = max(top, y), min(bottom, y + height)
            if n < below and x0 < x1 and y0 < y1:
                shown = 1 - weights[y0 - y : y1 - y, x0 - x : x1 - x]
                seen[y0 - top : y1 - top, x0 - left : x1 - left] *= shown
        # the pixels at its edges count by the part of them that is in the box
        columns, rows = np.arange(left, right), np.arange(top, bottom)
        columns = np.minimum(columns + 1, box[2]) - np.maximum(columns, box[0])
        rows = np.minimum(rows + 1, box[3]) - np.maximum(rows, box[1])
        most = max(most, 1 - float(rows @ seen @ columns / max(rows.sum() * columns.sum(), 1e-9)))
    return most


def _fading(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return float32 (height, width): 1 in a box, falling to 0 at the border of the area around it."""
    weights = []
    for start, end, length in zip(box[:2], box[2:], size, strict=True):
        centres = np.arange(length, dtype=np.float32) + 0.5
        rising = centres / max(start, 0.5)
        falling = (length - centres) / max(length - end, 0.5)
        weights.append(np.clip(np.minimum(rising, falling), 0, 1))
    return weights[1][:, None] * weights[0]
