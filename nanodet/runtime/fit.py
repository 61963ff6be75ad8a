"""Fitting a picture into the network's input, and boxes back into the picture.

Every fit is ``x_network = ratio * x_picture + shift`` per axis. Resampling is bilinear at
``x_picture = (x_network - shift) / ratio``, pixel centres at whole numbers ("corner-aligned"),
as the training of the original NanoDet does it; ``cv2.resize`` samples half a pixel elsewhere.
"""

from dataclasses import dataclass

import cv2
import numpy as np

FITS = ("own", "letterbox", "stretch")
ALIGNMENT = 32  # the largest stride: inputs are whole multiples of it


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in the network's input.

    Attributes:
        ratio: (x, y) network pixels per picture pixel.
        shift: (x, y) position of the picture's origin in network pixels.
        content: (width, height) that the warp fills, in network pixels.
        canvas: (width, height) of the network's input, multiples of 32 for fit ``own``.
    """

    ratio: tuple
    shift: tuple
    content: tuple
    canvas: tuple

    @property
    def matrix(self):
        """The 2 x 3 affine matrix from picture to network pixels."""
        (rx, ry), (tx, ty) = self.ratio, self.shift
        return np.array([[rx, 0, tx], [0, ry, ty]], np.float64)

    def to_network(self, xyxy):
        """Map boxes (N, 4) from picture pixels to network pixels."""
        return xyxy * np.array(2 * self.ratio) + np.array(2 * self.shift)

    def to_picture(self, xyxy, picture_size):
        """Map boxes (N, 4) from network pixels to picture pixels, clipped to the picture.

        Args:
            picture_size: (width, height) of the original picture.
        """
        boxes = (xyxy - np.array(2 * self.shift)) / np.array(2 * self.ratio)
        return np.clip(boxes, 0, np.array(2 * tuple(picture_size))).astype(np.float32)


def place(fit, picture_size, input_size):
    """Return the `Placement` of a picture.

    Args:
        fit: ``own`` (scaled to fit, padded right and bottom to multiples of 32),
            ``letterbox`` (scaled to fit, centred in the fixed input) or
            ``stretch`` (each axis scaled to the fixed input, padded to multiples of 32).
        picture_size: (width, height) of the picture in pixels.
        input_size: (width, height) that the network was configured for.
    """
    (w, h), (input_w, input_h) = picture_size, input_size
    if fit == "stretch":
        ratio = (input_w / w, input_h / h)
        return Placement(ratio, (0.0, 0.0), tuple(input_size), round_up(input_size))
    if fit == "letterbox":
        return Placement(*_centred(picture_size, input_size), tuple(input_size), tuple(input_size))
    if fit == "own":
        r = min(input_w / w, input_h / h)
        content = (max(int(r * w), 1), max(int(r * h), 1))
        # rounding the size down makes the picture fit into it a little smaller than r
        return Placement(*_centred(picture_size, content), content, round_up(content))
    raise ValueError(f"fit must be one of {', '.join(FITS)}, not {fit!r}")


def _centred(picture_size, box_size):
    """Return ratio and shift that put a picture as large as it fits into the middle of a box."""
    (w, h), (box_w, box_h) = picture_size, box_size
    r = min(box_w / w, box_h / h)
    return (r, r), ((box_w - r * w) / 2, (box_h - r * h) / 2)


def nearest_aligned(sides):
    """Return the nearest sizes that networks take, at least one step, in pixels."""
    return tuple(max(round(side / ALIGNMENT), 1) * ALIGNMENT for side in sides)


def round_up(size, multiple=ALIGNMENT):
    """Round (width, height) up to whole multiples of ``multiple``."""
    return tuple(-(-int(side) // multiple) * multiple for side in size)


def warp(picture, matrix, size):
    """Resample ``picture`` bilinearly through ``matrix`` (2 x 3 or 3 x 3), black outside.

    Args:
        picture: uint8 (H, W, 3) BGR.
        matrix: picture pixels to result pixels.
        size: (width, height) of the result.
    """
    if len(matrix) == 2:
        return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR)
    return cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_LINEAR)
