"""From a picture to the tensor that the network takes."""

import numpy as np

from nanodet.runtime.fit import place, warp


def normalise(picture, mean, std, out=None):
    """Return ``(picture - mean) / std`` as float32 (3, H, W).

    Args:
        picture: uint8 (H, W, 3), channels in the order of ``mean`` and ``std``.
        mean, std: three values each, in grey levels 0..255.
        out: float32 (3, H, W) to write to.
    """
    mean, std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    if out is None:
        out = np.empty((3, *picture.shape[:2]), np.float32)
    for channel in range(3):
        np.subtract(picture[..., channel], mean[channel], out=out[channel], dtype=np.float32)
        out[channel] /= std[channel]
    return out


def preprocess(picture, fit, input_size, mean, std, colour_order="bgr"):
    """Fit and normalise one picture.

    Args:
        picture: uint8 (H, W, 3) BGR.
        fit: see `nanodet.runtime.fit.place`.
        input_size: (width, height) the network was configured for.
        mean, std: three values each, in ``colour_order``.
        colour_order: ``bgr`` or ``rgb``, what the network takes.

    Returns:
        tensor float32 (1, 3, H, W) and the `Placement` that maps boxes back. With fit ``own``
        the padding is zero after normalisation, with ``letterbox`` black before it.
    """
    height, width = picture.shape[:2]
    placement = place(fit, (width, height), input_size)
    fitted = warp(picture, placement.matrix, placement.content)
    if colour_order == "rgb":
        fitted = fitted[..., ::-1]
    canvas_w, canvas_h = placement.canvas
    content_w, content_h = placement.content
    tensor = np.zeros((1, 3, canvas_h, canvas_w), np.float32)
    normalise(fitted, mean, std, out=tensor[0, :, :content_h, :content_w])
    return tensor, placement
