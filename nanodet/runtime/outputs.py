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
        self._levels = [one.reshape(one.shape[0], -1) for one in output]
        self._starts = np.cumsum([0] + [level.shape[1] for level in self._levels[:-1]])
        self._classes = classes

    def above(self, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        limit, found = logit_below(threshold), []
        for level, start in zip(self._levels, self._starts, strict=True):
            logits = level[: self._classes]
            labels, cells = np.divmod(np.flatnonzero(logits > limit), logits.shape[1])
            found.append(((start + cells) * self._classes + labels, logits[labels, cells]))
        pairs, logits = map(np.concatenate, zip(*found, strict=True))
        order = np.argsort(pairs)  # a map has its pairs by class, then point
        pairs, scores = pairs[order], sigmoid(logits[order])
        above = scores > threshold
        points, labels = np.divmod(pairs[above], self._classes)
        return points, labels, scores[above]

    def edges(self, points: np.ndarray) -> np.ndarray:
        values = [level[self._classes :] for level in self._levels]
        made = np.empty((len(points), len(values[0])), np.float32)
        levels = np.searchsorted(self._starts, points, side="right") - 1
        for i, start in enumerate(self._starts):
            inside = np.flatnonzero(levels == i)
            made[inside] = values[i][:, points[inside] - start].T
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
