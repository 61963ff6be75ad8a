"""How far boxes overlap."""

import numpy as np


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the IoU of every pair of boxes.

    Args:
        first: (N, 4) xyxy; second: (M, 4) xyxy.

    Returns:
        float64 (N, M), 0..1; 0 where both boxes are empty.
    """
    first, second, shared = _intersections(first, second)
    union = _areas(first)[:, None] + _areas(second)[None] - shared
    return shared / np.maximum(union, np.finfo(np.float64).tiny)


def box_iof(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the part of each of ``first`` that lies in each of ``second``, as `box_iou`."""
    first, second, shared = _intersections(first, second)
    return shared / np.maximum(_areas(first)[:, None], np.finfo(np.float64).tiny)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)


def _intersections(
    first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first = np.asarray(first, np.float64).reshape(-1, 4)
    second = np.asarray(second, np.float64).reshape(-1, 4)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return first, second, np.prod(np.maximum(high - low, 0), axis=2)
