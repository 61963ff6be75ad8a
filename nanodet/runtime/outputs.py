"""Outputs of a network, in either layout: which pairs score above a threshold, and the values of edges."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from nanodet.errors import NanodetError
from nanodet.runtime.spec import Output, format_shape


class Points(Protocol):
    """The points of an output, numbered over all levels, row by row."""

    def above(self, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return point, class and score (N,) of the pairs above a threshold, by point, then class."""
        ...

    def edges(self, points: np.ndarray) -> np.ndarray:
        """Return the values behind the class scores of points: int (N,) to float32 (N, values)."""
        ...


def points_in(output: Output, classes: int) -> Points:
    """Return the `Points` of an output with so many classes."""
    return Rows(output, classes) if isinstance(output, np.ndarray) else Maps(output, classes)


class Rows:
    """Points x channels, class scores after sigmoid."""

    def __init__(self, output: np.ndarray, classes: int) -> None:
        self._output, self._classes = output, classes

    def above(self, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        scores = self._output[:, : self._classes]
        # numpy finds the few true values of a flat array much faster than in two dimensions
        points, labels = np.divmod(np.flatnonzero(scores > threshold), self._classes)
        return points, labels, scores[points, labels]

    def edges(self, points: np.ndarray) -> np.ndarray:
        return self._output[points, self._classes :]


class Maps:
    """Per level channels x rows x columns, class logits before sigmoid."""

    def __init__(self, output: Sequence[np.ndarray], classes: int) -> None:
        # a copy only of a map whose channels lie apart, as ncnn's do where a plane is no multiple of 4
        self._flat = [one.reshape(-1) for one in output]
        self._counts = [one[0].size for one in output]
        self._classes = classes

    def above(self, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        limit, start, classes = logit_below(threshold), 0, self._classes
        pairs, logits = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        for flat, count in zip(self._flat, self._counts, strict=True):
            found = (flat[: classes * count] > limit).nonzero()[0]
            if len(found):
                labels, cells = np.divmod(found, count)
                pairs.append((cells + start) * classes + labels)
                logits.append(flat[found])
            start += count
        pair = np.concatenate(pairs)
        order = np.argsort(pair)  # a map has its pairs by class, then point
        pair, scores = pair[order], sigmoid(np.concatenate(logits)[order])
        above = scores > threshold
        points, labels = np.divmod(pair[above], classes)
        return points, labels, scores[above]

    def edges(self, points: np.ndarray) -> np.ndarray:
        made, start = None, 0
        for flat, count in zip(self._flat, self._counts, strict=True):
            values = flat.reshape(-1, count)[self._classes :]
            if made is None:
                made = np.empty((len(points), len(values)), np.float32)
            cells = points - start
            inside = ((cells >= 0) & (cells < count)).nonzero()[0]
            if len(inside):
                made[inside] = values[:, cells[inside]].T
            start += count
        assert made is not None  # a spec has levels
        return made


def logit_below(threshold: float) -> float:
    """Return a logit that that of every score above a threshold exceeds, whatever the rounding."""
    lower = threshold * (1 - 1e-6)  # several steps of float32
    return math.log(lower / (1 - lower)) - 1e-4 if lower > 0 else -math.inf


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return ``1 / (1 + exp(-logit))`` of float32 values."""
    with np.errstate(over="ignore"):  # exp of a very negative logit: 1 / inf is 0
        found: np.ndarray = 1 / (1 + np.exp(-logits))
    return found


def rows_of(maps: Sequence[np.ndarray], classes: int, file: object) -> np.ndarray:
    """Return maps in the layout ``rows``: points x channels, class scores after sigmoid.

    Args:
        maps: per level float32 (channels, rows, columns), class logits first.
        classes: their number.
        file: names the model in messages.

    Raises:
        NanodetError: maps of other dimensions, or of different numbers of channels.
    """
    shapes = [one.shape for one in maps]
    if {len(shape) for shape in shapes} != {3} or len({shape[0] for shape in shapes}) > 1:
        raise NanodetError(
            f"{file}: its outputs are {', '.join(map(format_shape, shapes))}, not maps"
        )
    levels = [one.reshape(one.shape[0], -1).T for one in maps]
    rows = np.concatenate(levels, dtype=np.float32)
    rows[:, :classes] = sigmoid(rows[:, :classes])
    return rows
