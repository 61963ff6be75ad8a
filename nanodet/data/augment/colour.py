"""Random changes of the colours: one pass for all."""

import cv2
import numpy as np

from nanodet.config.data_sections import Pipeline

GREY = (0.114, 0.587, 0.299)  # luma of blue, green, red (BT.601)


def change_colours(picture: np.ndarray, pipeline: Pipeline, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast and saturation, each with probability one half.

    Brightness adds -b..b of the full range, contrast multiplies, saturation blends with the
    grey image. All three are linear in a pixel's colours, so they are combined into one matrix and
    one pass, with one rounding and clipping to 0..255 at the end.

    Args:
        picture: uint8 (H, W, 3) BGR; returned unchanged if no step applies.
        pipeline: a `nanodet.config.data_sections.Pipeline`; steps of None are left out.
        rng: a ``numpy.random.Generator``.
    """
    on = rng.random(3) < 0.5
    amount = rng.random(3)
    add, factor, blend = 0.0, 1.0, 1.0
    if pipeline.brightness and on[0]:
        add = 255.0 * pipeline.brightness * (2 * amount[0] - 1)
    if pipeline.contrast and on[1]:
        low, high = pipeline.contrast
        factor = low + (high - low) * amount[1]
    if pipeline.saturation and on[2]:
        low, high = pipeline.saturation
        blend = low + (high - low) * amount[2]
    if (add, factor, blend) == (0.0, 1.0, 1.0):
        return picture
    if blend == 1.0:  # per channel: a table is several times faster than a matrix
        table = np.clip(np.rint(factor * (np.arange(256) + add)), 0, 255).astype(np.uint8)
        return cv2.LUT(picture, table)
    mix = blend * np.eye(3) + (1 - blend) * np.array([GREY] * 3)
    matrix = np.empty((3, 4), np.float32)
    matrix[:, :3] = factor * mix
    matrix[:, 3] = factor * add  # the rows of mix sum to one
    return cv2.transform(picture, matrix)
