"""Matches the convolutions of two models, and describes how their weights differ."""

import itertools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from nanodet.verify.trace import Convolution

NOISE = 1e-5  # of the largest weight: batch norms folded in another order
Pair = tuple[Convolution, Convolution]  # of the reference, of the stage

_NEAR = 0.5  # relative distance up to which two weights are taken to be of the same layer


def pair(reference: Sequence[Convolution], stage: Sequence[Convolution]) -> list[Pair]:
    """Return pairs (of the reference, of the stage) of `Convolution`, in the stage's order.

    Convolutions of the same shape are matched by their weights, the nearest first: a single changed
    weight or the rounding of a quantised model does not matter. Those with no near match are matched
    by their order.
    """
    groups: dict[tuple[int, ...], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, convolutions in enumerate((reference, stage)):
        for position, one in enumerate(convolutions):
            groups[one.weight.shape][side].append(position)
    found: dict[int, int] = {}  # of the stage to of the reference
    for ours, theirs in groups.values():
        a = np.stack([reference[i].weight.ravel() for i in ours]) if ours else None
        b = np.stack([stage[j].weight.ravel() for j in theirs]) if theirs else None
        if a is None or b is None:
            continue
        norms = np.maximum(np.linalg.norm(a, axis=1), 1e-12)
        distances = np.stack([np.linalg.norm(b - one, axis=1) for one in a]) / norms[:, None]
        for index in np.argsort(distances, axis=None, kind="stable"):
            i, j = np.unravel_index(index, distances.shape)
            free = ours[i] not in found.values() and theirs[j] not in found
            if free and distances[i, j] < _NEAR:
                found[theirs[j]] = ours[i]
        left = [i for i in ours if i not in found.values()]
        found |= dict(zip([j for j in theirs if j not in found], left, strict=False))
    return [(reference[found[j]], stage[j]) for j in sorted(found)]


def difference(ours: Convolution, theirs: Convolution, with_bias: bool = True) -> str:
    """Return in words how the weights of two convolutions differ; empty if they do not.

    Args:
        ours, theirs: `Convolution` of the reference and of the stage, of the same shape.
        with_bias: whether their biases should be equal; a quantiser corrects them.
    """
    a, b = ours.weight, theirs.weight
    allowed = ours.rounding + theirs.rounding + NOISE * max(np.abs(a).max(), 1e-3)
    words = []
    off = np.abs(a - b)
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = (ours.clipped & (b / a > 1)) | (theirs.clipped & (a / b > 1))
    wrong = (off > allowed) & ~beyond
    if wrong.any():
        order = _channel_order(a, b, allowed)
        if order is not None:
            words.append(f"its input channels are swapped {order}")
        else:
            words.append(_count(wrong, off, "weight"))
    if with_bias:
        off = np.abs(ours.bias - theirs.bias)
        wrong = off > NOISE * max(np.abs(ours.bias).max(), 1e-3)
        if wrong.any():
            words.append(_count(wrong, off, "bias"))
    return "; ".join(words)


def setting_difference(ours: Convolution, theirs: Convolution) -> str:
    """Return in words how stride, padding, dilation and groups of two convolutions differ."""
    pairs = ((key, theirs.settings.get(key, value), value) for key, value in ours.settings.items())
    return "; ".join(f"{key} {_shown(a)}, not {_shown(b)}" for key, a, b in pairs if a != b)


def _channel_order(a: np.ndarray, b: np.ndarray, allowed: np.ndarray) -> tuple[int, ...] | None:
    channels = a.shape[1]
    if not 1 < channels <= 4:
        return None
    for order in itertools.permutations(range(channels)):
        if (np.abs(a[:, order] - b) <= allowed).all():
            return order
    return None


def _count(wrong: np.ndarray, off: np.ndarray, word: str) -> str:
    plural = "es" if word == "bias" else "s"
    count = int(wrong.sum())
    verb, by = ("differs", "by") if count == 1 else ("differ", "by up to")
    return f"{count} of {wrong.size} {word}{plural} {verb}, {by} {off[wrong].max():.3g}"


def _shown(value: object) -> str:
    return " x ".join(map(str, value)) if isinstance(value, tuple) else str(value)
