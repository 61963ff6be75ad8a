"""A random part of an image that keeps at least one of its boxes."""

import math
from dataclasses import replace

import numpy as np

from nanodet.data.augment.geometry import framed, map_boxes, worth_teaching
from nanodet.data.augment.scene import Sources
from nanodet.runtime.fit import Placement, Size, place


def crop(
    sources: Sources, index: int, size: Size, geometry: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, Placement]:
    """Choose a random part of a transformed image.

    Where the fit would pad the part, the image goes on instead, as far as there is more of it.

    Args:
        sources: the images, how they are fitted, and the step's settings.
        index: of the image; size: its (width, height).
        geometry: (3, 3), its transform, whose scale and translation have no effect.
        rng: a ``numpy.random.Generator``.

    Returns:
        the transform and the placement to show the image with, see
        `nanodet.data.augment.scene.Sources.view`.
    """
    geometry, frame = framed(geometry, size)
    boxes, inside = map_boxes(sources.records[index].boxes, geometry, frame)
    boxes = boxes[worth_teaching(boxes, inside)]
    pipeline = sources.pipeline
    x, y, w, h = draw_window(boxes, frame, pipeline.crop_size, pipeline.crop_visible, rng)
    placement = place(sources.fit, (w, h), sources.input_size)
    (rx, ry), (tx, ty) = placement.ratio, placement.shift
    return geometry, replace(placement, shift=(tx - rx * x, ty - ry * y))


def draw_window(
    boxes: np.ndarray, size: tuple[float, float], shares: list[float], visible: float,
    rng: np.random.Generator,
) -> tuple[float, float, int, int]:  # fmt: skip
    """Draw a window with the aspect ratio of an image, and with one box in it that is chosen first.

    Each side shows at least the square root of ``visible`` of the box, so that at least ``visible`` of
    its area is inside. Without boxes, any window.

    Args:
        boxes: (N, 4) xyxy inside the image.
        size: (width, height) of the image.
        shares: (low, high) of the window's sides as a share of the image's; they are larger if the box
            needs it.
        visible: share of the box, 0..1.
        rng: a ``numpy.random.Generator``.

    Returns:
        x, y, and width and height in whole pixels.
    """
    share, chosen, *where = rng.random(4).tolist()
    share = shares[0] + (shares[1] - shares[0]) * share
    start, end = np.zeros(2), np.array(size)
    if len(boxes):
        box = boxes[int(chosen * len(boxes))].astype(np.float64)
        start, end = box[:2], box[2:]
        share = max(share, math.sqrt(visible) * float(((end - start) / size).max()))
    window = np.ceil(share * np.array(size) - 1e-6)
    # where the window covers the box, or lies in it if it is smaller, and in the image
    least = np.maximum(np.minimum(start, end - window), 0)
    most = np.minimum(np.maximum(start, end - window), np.maximum(size - window, 0))
    x, y = (least + (most - least) * where).tolist()
    return x, y, int(window[0]), int(window[1])
