"""The outputs of a network in the layout ``maps``: one array of channels x rows x columns per level."""

from collections.abc import Sequence

import numpy as np

from nanodet.errors import NanodetError
from nanodet.runtime.spec import format_shape


def rows_of(maps: Sequence[np.ndarray], classes: int, file: object) -> np.ndarray:
    """Return maps as the layout ``rows`` has them: points x channels, class scores after sigmoid.

    Args:
        maps: per level float32 (channels, rows, columns), class logits first.
        classes: their number.
        file: names the model in messages.

    Raises:
        NanodetError: maps of other dimensions, or of different numbers of channels.
    """
    shapes = [one.shape for one in maps]
    if {len(shape) for shape in shapes} != {3} or len({shape[0] for shape in shapes}) > 1:
        raise NanodetError(f"{file}: its outputs are {', '.join(map(format_shape, shapes))}, not maps")
    levels = [one.reshape(one.shape[0], -1).T for one in maps]
    rows = np.concatenate(levels, dtype=np.float32)
    rows[:, :classes] = sigmoid(rows[:, :classes])
    return rows


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return ``1 / (1 + exp(-logit))`` of float32 values."""
    with np.errstate(over="ignore"):  # exp of a very negative logit: 1 / inf is 0
        found: np.ndarray = 1 / (1 + np.exp(-logits))
    return found
