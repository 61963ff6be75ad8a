"""Converts an image to the network's input tensor."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from nanodet.runtime.fit import Placement, Size, place, warp
from nanodet.runtime.spec import Spec


def normalise(
    planes: Sequence[np.ndarray], mean: Sequence[float], std: Sequence[float], out: np.ndarray
) -> None:
    """Write ``(plane - mean) / std`` of each channel.

    Args:
        planes: three arrays uint8 (H, W), in the order of ``mean`` and ``std``.
        mean, std: three values each, in grey levels 0..255.
        out: float32 (3, H, W) to write to.
    """
    tables = _tables(tuple(map(float, mean)), tuple(map(float, std)))
    for plane, table, channel in zip(planes, tables, out, strict=True):
        cv2.LUT(plane, table, dst=channel)


@lru_cache(maxsize=16)
def _tables(mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """Return the normalised value of each grey level of each channel, float32 (3, 256)."""
    mean, std = np.array([mean, std], np.float32)[..., None]
    return (np.arange(256, dtype=np.float32) - mean) / std


def network_input(
    picture: np.ndarray, spec: Spec, fit: str | None = None, input_size: Size | None = None
) -> tuple[np.ndarray, Placement]:
    """Fit and normalise one image as its `Spec` defines, or with another fit and size.

    Args, returns: as `preprocess`.
    """
    size = input_size or spec.input_size
    return preprocess(picture, fit or spec.fit, size, spec.mean, spec.std, spec.colour_order)


def preprocess(
    picture: np.ndarray,
    fit: str,
    input_size: Size,
    mean: Sequence[float],
    std: Sequence[float],
    colour_order: str = "bgr",
) -> tuple[np.ndarray, Placement]:
    """Fit and normalise one image.

    Args:
        picture: uint8 (H, W, 3) BGR.
        fit: see `nanodet.runtime.fit.place`.
        input_size: (width, height) the network was configured for.
        mean, std: three values each, in ``colour_order``.
        colour_order: ``bgr`` or ``rgb``, of the network's input.

    Returns:
        tensor float32 (1, 3, H, W) and the `Placement` that maps boxes back. With fit ``own``
        the padding is zero after normalisation, with ``letterbox`` `nanodet.runtime.fit.FILL` before it.
    """
    height, width = picture.shape[:2]
    placement = place(fit, (width, height), input_size)
    planes = cv2.split(warp(picture, placement.matrix, placement.content))
    if colour_order == "rgb":
        planes = planes[::-1]
    canvas_w, canvas_h = placement.canvas
    content_w, content_h = placement.content
    filled = placement.content == placement.canvas
    tensor = (np.empty if filled else np.zeros)((1, 3, canvas_h, canvas_w), np.float32)
    normalise(planes, mean, std, out=tensor[0, :, :content_h, :content_w])
    return tensor, placement
