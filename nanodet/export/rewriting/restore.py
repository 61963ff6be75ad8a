"""The weights of a rewritten network's convolutions in their original places."""

from collections.abc import Sequence

import numpy as np

from nanodet.errors import NanodetError
from nanodet.export.rewriting.build import Moved
from nanodet.export.rewriting.layout import NOTHING


def restored(
    weight: np.ndarray, bias: np.ndarray | None, moved: Moved, where: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return weight and bias of a convolution with its channels where they were before `rewrite`.

    Args:
        weight: (O, I / groups, kernel height, kernel width) of the rewritten convolution.
        bias: (O,), or None.
        moved: how `rewrite` moved its channels.
        where: names file and layer in messages.

    Raises:
        NanodetError: a channel of zeros has other weights, so the network was not rewritten like this.
    """
    weight = _placed(weight, moved.rows, 0, where)
    if moved.columns:
        weight = _placed(weight, moved.columns, 1, where)
    return weight, None if bias is None else _placed(bias, moved.rows, 0, where)


def _placed(values: np.ndarray, order: Sequence[int], axis: int, where: str) -> np.ndarray:
    places = np.array(order)
    used = places != NOTHING
    if np.take(values, np.flatnonzero(~used), axis).any():
        raise NanodetError(f"{where}: has weights where its rewriting has zeros")
    found = np.empty_like(np.take(values, np.arange(places.max() + 1), axis))
    index: list[slice | np.ndarray] = [slice(None)] * values.ndim
    index[axis] = places[used]
    found[tuple(index)] = np.take(values, np.flatnonzero(used), axis)
    return found
