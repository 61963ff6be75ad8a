"""Cut-out: rectangles of one colour hide parts of an image."""

import cv2
import numpy as np

from nanodet.data.augment.scene import Scene

COUNT = (1, 4)  # rectangles
SIDE = (0.05, 0.25)  # of the image's width and height
HIDDEN = 0.6  # share of a box under rectangles from which it is no longer taught


def cutout(scene: Scene, rng: np.random.Generator) -> None:
    """Hide random rectangles of a scene.

    A box keeps its size where a part of it is hidden: objects are to be found behind others. A box of
    which `HIDDEN` or more is hidden becomes an ignored region: too little is left to be recognised, but
    what is left is not background either.

    Args:
        scene: changed in place.
        rng: a ``numpy.random.Generator``.
    """
    height, width = scene.image.shape[:2]
    count = int(rng.integers(COUNT[0], COUNT[1] + 1))
    sides = np.ceil(rng.uniform(*SIDE, (count, 2)) * (width, height)).astype(int)
    starts = (rng.random((count, 2)) * ((width, height) - sides)).astype(int)
    colours = rng.integers(0, 256, (count, 3))
    mask = np.zeros((height, width), np.uint8)
    for (x, y), (w, h), colour in zip(starts, sides, colours, strict=True):
        scene.image[y : y + h, x : x + w] = colour
        mask[y : y + h, x : x + w] = 1
    hidden = hidden_share(scene.boxes, mask) >= HIDDEN
    scene.ignored = np.concatenate([scene.ignored, scene.boxes[hidden]])
    scene.boxes, scene.labels = scene.boxes[~hidden], scene.labels[~hidden]


def hidden_share(boxes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return (N,), the share 0..1 of the whole pixels of each box that are set in a mask.

    Args:
        boxes: (N, 4) xyxy inside the mask.
        mask: uint8 (H, W) of 0 and 1.
    """
    sums = cv2.integral(mask)
    x0, y0 = np.floor(boxes[:, :2]).astype(int).T
    x1, y1 = np.ceil(boxes[:, 2:]).astype(int).T
    inside = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
    return inside / np.maximum((x1 - x0) * (y1 - y0), 1)
