"""Fits an image into the network's input, and maps boxes back to the image.

Every fit is ``x_network = ratio * x_picture + shift`` per axis. Resampling is bilinear at
``x_picture = (x_network - shift) / ratio``, pixel centres at whole numbers ("corner-aligned"),
as the training of the original NanoDet does it; ``cv2.resize`` samples half a pixel elsewhere.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

Size = tuple[int, int]  # width and height in pixels

FITS = ("own", "letterbox", "stretch")
ALIGNMENT = 32  # sides of inputs are multiples of it, so that the maps of backbones fit when necks join them
FILL = 0  # grey level outside the image, before normalisation


@dataclass(frozen=True)
class Placement:
    """The position of an image in the network's input.

    Attributes:
        ratio: (x, y) network pixels per image pixel.
        shift: (x, y) position of the image's origin in network pixels.
        content: (width, height) of the image in network pixels.
        canvas: (width, height) of the network's input, multiples of 32 for fit ``own``.
    """

    ratio: tuple[float, float]
    shift: tuple[float, float]
    content: Size
    canvas: Size

    @property
    def matrix(self) -> np.ndarray:
        """The 2 x 3 affine matrix from image to network pixels."""
        (rx, ry), (tx, ty) = self.ratio, self.shift
        return np.array([[rx, 0, tx], [0, ry, ty]], np.float64)

    def to_network(self, xyxy: np.ndarray) -> np.ndarray:
        """Map boxes (N, 4) from image pixels to network pixels."""
        return xyxy * np.array(2 * self.ratio) + np.array(2 * self.shift)

    def to_picture(self, xyxy: np.ndarray, picture_size: Size) -> np.ndarray:
        """Map boxes (N, 4) from network pixels to image pixels, clipped to the image.

        Args:
            picture_size: (width, height) of the original image.
        """
        boxes = (xyxy - np.array(2 * self.shift)) / np.array(2 * self.ratio)
        return np.clip(boxes, 0, np.array(2 * tuple(picture_size))).astype(np.float32)

    def lengths_to_picture(self, lengths: np.ndarray) -> np.ndarray:
        """Convert lengths (N, 4) along x, y, x and y from network pixels to image pixels."""
        return (lengths / np.array(2 * self.ratio)).astype(np.float32)


def place(fit: str, picture_size: Sequence[int], input_size: Sequence[int]) -> Placement:
    """Return the `Placement` of an image.

    Args:
        fit: ``own`` (scaled to fit, padded right and bottom to multiples of 32),
            ``letterbox`` (scaled to fit, centred in the fixed input) or
            ``stretch`` (each axis scaled to the fixed input, padded to multiples of 32).
        picture_size: (width, height) of the image in pixels.
        input_size: (width, height) that the network was configured for.
    """
    (w, h), (input_w, input_h) = picture_size, input_size
    if fit == "stretch":
        ratio = (input_w / w, input_h / h)
        return Placement(ratio, (0.0, 0.0), (input_w, input_h), round_up(input_size))
    if fit == "letterbox":
        size = input_w, input_h
        return Placement(*_centred(picture_size, size), size, size)
    if fit == "own":
        r = min(input_w / w, input_h / h)
        content = (max(int(r * w), 1), max(int(r * h), 1))
        # rounding the size down makes the image slightly smaller than with r
        return Placement(*_centred(picture_size, content), content, round_up(content))
    raise ValueError(f"fit must be one of {', '.join(FITS)}, not {fit!r}")


def _centred(
    picture_size: Sequence[int], box_size: Size
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return ratio and shift that centre an image in a box, as large as it fits."""
    (w, h), (box_w, box_h) = picture_size, box_size
    r = min(box_w / w, box_h / h)
    return (r, r), ((box_w - r * w) / 2, (box_h - r * h) / 2)


def nearest_aligned(sides: Iterable[float]) -> Size:
    """Return the nearest sizes that networks take, at least `ALIGNMENT`, in pixels."""
    width, height = (max(round(side / ALIGNMENT), 1) * ALIGNMENT for side in sides)
    return width, height


def round_up(size: Sequence[float], multiple: int = ALIGNMENT) -> Size:
    """Round (width, height) up to whole multiples of ``multiple``."""
    width, height = (-(-int(side) // multiple) * multiple for side in size)
    return width, height


def warp(
    picture: np.ndarray, matrix: np.ndarray, size: Size, out: np.ndarray | None = None
) -> np.ndarray:
    """Resample ``picture`` bilinearly through ``matrix`` (2 x 3 or 3 x 3), `FILL` outside.

    Args:
        picture: uint8 (H, W, 3) BGR.
        matrix: image pixels to result pixels.
        size: (width, height) of the result.
        out: uint8 (height, width, 3), written and returned instead of a new array; rows may be apart.
    """
    warped = cv2.warpAffine if len(matrix) == 2 else cv2.warpPerspective
    fill = (FILL, FILL, FILL)
    return warped(picture, matrix, size, dst=out, flags=cv2.INTER_LINEAR, borderValue=fill)
