"""How far boxes overlap."""

import numpy as np


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the IoU of every pair of boxes.

    Args:
        first: (N, 4) xyxy; second: (M, 4) xyxy.

    Returns:
        float64 (N, M), 0..1; 0 where both boxes are empty.
    """
    return aligned_iou(*_pairs(first, second))


def box_iof(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the part of each of ``first`` that lies in each of ``second``, as `box_iou`."""
    first, second = _pairs(first, second)
    return _shared(first, second) / np.maximum(_areas(first), np.finfo(np.float64).tiny)


def aligned_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the IoU of each box float64 (..., 4) with the one at its place in the other array: (...)."""
    shared = _shared(first, second)
    union = _areas(first) + _areas(second) - shared
    return shared / np.maximum(union, np.finfo(np.float64).tiny)


def _pairs(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = (np.asarray(one, np.float64).reshape(-1, 4) for one in (first, second))
    return first[:, None], second[None]


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1)


def _shared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    return np.prod(np.maximum(high - low, 0), axis=-1)
