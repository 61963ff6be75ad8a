"""Outputs that should be the same numbers but for rounding: of two forms of one network."""

import numpy as np

from nanodet.runtime.fit import Size


def difference(given: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest difference of two arrays, relative where the wanted value is above 1.

    Infinite where their shapes differ or a value is not a number.
    """
    if given.shape != wanted.shape:
        return float("inf")
    largest = float((np.abs(given - wanted) / np.maximum(1, np.abs(wanted))).max())
    return largest if largest == largest else float("inf")


def noise(size: Size, rng: np.random.Generator) -> np.ndarray:
    """Return a network's input of (width, height), float32 (1, 3, H, W), normally distributed."""
    width, height = size
    return rng.standard_normal((1, 3, height, width), np.float32)
