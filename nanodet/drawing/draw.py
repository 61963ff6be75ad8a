"""Draws boxes with class names on an image, for all packages."""

import colorsys
from functools import lru_cache

import cv2
import numpy as np

from nanodet.drawing.lettering import put_text, readable_names, text_width
from nanodet.images.limits import check_picture
from nanodet.runtime.detections import Detections

GOLDEN = 0.61803398875
SHADE = 0.35  # opacity of the band of one standard deviation
MOST_LABELS = 500  # each needs a position next to all others


@lru_cache(maxsize=4096)
def class_colour(class_id: int) -> tuple[int, int, int]:
    """Return the (blue, green, red) of a class; neighbouring numbers get very different colours.

    Hues advance by the golden ratio, so that any number of classes spreads evenly; brightness
    and saturation alternate, because hue alone distinguishes only a dozen colours.
    """
    hue = (0.02 + class_id * GOLDEN) % 1
    saturation = (0.85, 0.55, 1.0)[class_id % 3]
    value = (1.0, 0.95, 0.7)[class_id // 3 % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * blue), round(255 * green), round(255 * red)


def draw(
    picture: np.ndarray,
    detections: Detections,
    style: str = "solid",
    labels: bool = True,
    scores: bool = True,
    spread: bool = False,
) -> np.ndarray:
    """Draw boxes and their labels.

    Args:
        picture: uint8 (H, W, 3) BGR; it is not changed.
        detections: `Detections` in pixels of this image; better ones are drawn on top.
        style: ``solid``, ``dashed`` (thinner: for ground truth next to detections) or ``none``
            (only the labels).
        labels: whether to write the class name at each box, of the best `MOST_LABELS`.
        scores: whether the label includes the confidence.
        spread: whether to shade one standard deviation (``edge_std``, if the detections have it) at both
            sides of each edge.

    Returns:
        a copy with the boxes. Line width and letter size depend on the size of the image, and labels
        stay inside it.
    """
    check_picture(picture)
    if style not in ("solid", "dashed", "none"):
        raise ValueError(f"style must be solid, dashed or none, not {style!r}")
    canvas = np.ascontiguousarray(picture).copy()
    height, width = canvas.shape[:2]
    order = np.argsort(detections.confidence, kind="stable")
    corners = np.clip(np.nan_to_num(detections.xyxy), 0, [width - 1, height - 1] * 2)
    corners = np.rint(corners).astype(int)
    line = max(1, round(min(width, height) / 250))
    if spread and detections.edge_std is not None:
        for i in order:
            colour = class_colour(int(detections.class_id[i]))
            _shade(canvas, detections.xyxy[i], detections.edge_std[i], colour)
    for i in order:
        colour = class_colour(int(detections.class_id[i]))
        if style == "dashed":
            _dashed(canvas, corners[i], colour, max(1, line // 2))
        elif style == "solid":
            x0, y0, x1, y1 = corners[i].tolist()
            cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, line)
    if labels:
        _labels(canvas, detections, corners, order, line, scores)
    return canvas


def _shade(canvas, box, stds, colour):
    """Shade one standard deviation at both sides of each edge of a box."""
    height, width = canvas.shape[:2]
    outwards = stds * [-1, -1, 1, 1]
    corners = np.nan_to_num(np.stack([box + outwards, box - outwards]))
    outer, inner = np.rint(np.clip(corners, 0, [width, height] * 2)).astype(int).tolist()
    x0, y0, x1, y1 = outer
    left, top, right, bottom = inner  # there is no inside where a deviation exceeds half of a side
    within = canvas[top:bottom, left:right].copy()
    band = canvas[y0:y1, x0:x1]
    band[:] = np.rint(band * (1 - SHADE) + np.multiply(colour, SHADE)).astype(np.uint8)
    canvas[top:bottom, left:right] = within


def _labels(canvas, detections, corners, order, line, scores):
    """Write the labels over all boxes; the best detection chooses its position first."""
    height, width = canvas.shape[:2]
    letters = float(np.clip(min(width, height) / 34, 11, 48))  # height of a capital with its margin
    plates: list[tuple[int, ...]] = []
    names = readable_names(tuple(detections.class_names))
    for i in order[::-1][:MOST_LABELS]:
        class_id = int(detections.class_id[i])
        text = names[class_id] if class_id < len(names) else str(class_id)
        if scores:
            text += f" {detections.confidence[i]:.2f}"
        letter_size, size = _fit_text(text, letters, width)
        plate = _free_place(corners[i], size, line, (width, height), plates)
        plates.append(plate)
        x, y = plate[:2]
        colour = class_colour(class_id)
        cv2.rectangle(canvas, (x, y), (x + size[0] - 1, y + size[1] - 1), colour, cv2.FILLED)
        margin = round(size[1] * 0.22)
        start = (x + margin, y + size[1] - 1 - margin)
        put_text(canvas, text, start, _ink(colour), letter_size)


def _fit_text(text, letters, width):
    """Return the size of letters and (width, height) of the plate, no wider than ``width``."""
    for _ in range(2):
        letter_size = max(1, round(letters * 0.84))
        size = (text_width(text, letter_size) + 2 * round(letters * 0.22), max(3, round(letters)))
        if size[0] <= width:
            break
        letters = max(3.0, letters * width / size[0] * 0.97)
    return letter_size, size


def _free_place(box, size, line, canvas_size, plates):
    """Return the plate (x0, y0, x1, y1): above the box, or where there is no other label yet."""
    (x0, y0, x1, y1), (w, h) = box.tolist(), size
    half = line // 2
    left, right = x0 - half, x1 + half - w + 1
    places = [
        (left, y0 - h - half + 1), (left, y0), (left, y1 + half), (left, y1 - h + 1),
        (right, y0 - h - half + 1), (right, y0), (right, y1 + half),
    ]  # fmt: skip
    first = None
    for x, y in places:
        inside_x = int(np.clip(x, 0, max(canvas_size[0] - w, 0)))
        inside_y = int(np.clip(y, 0, max(canvas_size[1] - h, 0)))
        plate = (inside_x, inside_y, inside_x + w, inside_y + h)
        if inside_y != y:
            continue  # further up or down it would not be recognisable as belonging to the box
        first = first or plate
        if not any(_overlap(plate, other) for other in plates):
            return plate
    if first is None:  # the image is lower than two labels
        x, y = max(min(x0, canvas_size[0] - w), 0), max(min(y0, canvas_size[1] - h), 0)
        first = (x, y, x + w, y + h)
    return first


def _overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _ink(colour):
    """Return black or white, whichever reads better on ``colour``."""
    blue, green, red = colour
    return (0, 0, 0) if 0.114 * blue + 0.587 * green + 0.299 * red > 130 else (255, 255, 255)


def _dashed(canvas, box, colour, line):
    x0, y0, x1, y1 = box.tolist()
    dash = 4 * line + 2
    for first, last in (
        ((x0, y0), (x1, y0)), ((x1, y0), (x1, y1)), ((x1, y1), (x0, y1)), ((x0, y1), (x0, y0)),
    ):  # fmt: skip
        start, end = np.array(first), np.array(last)
        length = int(np.abs(end - start).max())
        step = np.sign(end - start)
        for at in range(0, length, 2 * dash):
            a, b = start + step * at, start + step * min(at + dash, length)
            cv2.line(canvas, a.tolist(), b.tolist(), colour, line)
