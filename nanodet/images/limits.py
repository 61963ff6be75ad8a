"""Checks that OpenCV can process an array or a size as an image, before it gets it."""

import math
from typing import Any

import numpy as np

from nanodet.errors import NanodetError
from nanodet.text.brief import brief

MOST_BYTES = (1 << 31) - 1  # of an image: OpenCV counts them in 32 bits


def check_pixels(width: int, height: int, name: object) -> None:
    """Raise `NanodetError` unless OpenCV can process an image of this size with 3 bytes per pixel."""
    if 3 * width * height > MOST_BYTES:
        most = math.isqrt(MOST_BYTES // 3)
        raise NanodetError(
            f"{name}: {width} x {height} pixels are too many (at most {MOST_BYTES // 3:,}, such as "
            f"{most} x {most}); cut it into parts, or make it smaller"
        )


def check_picture(picture: Any, name: str = "picture") -> None:
    """Raise `NanodetError` unless ``picture`` is uint8 (H, W, 3) with pixels."""
    fine = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3
    if not fine or picture.shape[2] != 3 or 0 in picture.shape:
        found = (
            f"{picture.dtype} {picture.shape}"
            if isinstance(picture, np.ndarray)
            else brief(picture)
        )
        raise NanodetError(f"{name}: must be a uint8 array (height, width, 3), not {found}")
    check_pixels(picture.shape[1], picture.shape[0], name)
