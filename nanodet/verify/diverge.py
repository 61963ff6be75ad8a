"""The first layer at which two networks diverge.

Both run on the same tensor, and all intermediate values are kept. A value of one network has its
*counterpart* in the other: the nearest value with the same number of elements. Forms of a network fuse, split
and name their layers differently, but the values between them are the same numbers in the same order.
The counterpart of a convolution's input is the input of the same convolution (identified by its weights) in
the other network.

Exact forms (32 bits) agree up to rounding noise before the fault and differ after it: they diverge at
the first layer whose result has no counterpart although its inputs have one. In rounded forms the errors grow
from layer to layer: there it is the first layer whose own error, beyond that of its inputs, reaches half
of the largest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nanodet.verify import weights
from nanodet.verify.trace import Convolution, Value
from nanodet.verify.weights import Pair

# relative to the root mean square: NanoDet-m's 32-bit forms stay below 2e-6 in every value
AGREES = 2e-5
_FADES = 100  # a layer reduces the error of a fault at most by this factor
_SAMPLE, _NEAREST = (
    4096,
    4,
)  # elements by which candidates are chosen, and how many are compared in full


@dataclass
class Divergence:
    """Where two networks diverge.

    Attributes:
        layer: name of the layer in the stage, and in the reference if it has one there.
        detail: in words what differs, or how large the error is.
    """

    layer: str
    detail: str


def first_divergence(
    reference: Mapping[str, Value],
    stage: Mapping[str, Value],
    pairs: Sequence[Pair],
    exact: bool,
    with_bias: bool = True,
) -> Divergence | None:
    """Find the first layer at which a stage diverges from the reference.

    Args:
        reference, stage: name to `nanodet.verify.trace.Value` of both, on the same tensor.
        pairs: convolutions that belong together, see `nanodet.verify.weights.pair`.
        exact: whether both compute in 32 bits.
        with_bias: whether biases should be equal.

    Returns:
        `Divergence`, or None if every value agrees.
    """
    errors = _errors(reference, stage, pairs)
    name = _first_bad(stage, errors) if exact else _first_jump(stage, errors)
    if name is None:
        return None
    value, before = stage[name], [errors[i] for i in stage[name].inputs if i in errors]
    grown = f"relative error {errors[name]:.2g}"
    if before:
        grown += f" after {max(before):.2g}"
    for ours, theirs in pairs:
        if theirs.output == name:
            words = [weights.difference(ours, theirs, with_bias)]
            words.append(weights.setting_difference(ours, theirs))
            text = "; ".join(filter(None, words)) or "its weights are equal, its result is not"
            return Divergence(both_names(ours, theirs), f"{text} ({grown})")
    producers = [_producer(stage[i], i, pairs) for i in value.inputs if i in stage]
    after = f", which takes {' and '.join(producers)}" if producers else ""
    return Divergence(f"{value.layer} ({value.kind}){after}", f"its result differs ({grown})")


def both_names(ours: Convolution, theirs: Convolution) -> str:
    """Return the reference's name of a convolution, and the stage's if that differs."""
    return ours.layer if ours.layer == theirs.layer else f"{ours.layer} (layer {theirs.layer})"


def _producer(value: Value, name: str, pairs: Iterable[Pair]) -> str:
    for ours, theirs in pairs:
        if theirs.output == name:
            return both_names(ours, theirs)
    return value.layer


def _errors(
    reference: Mapping[str, Value], stage: Mapping[str, Value], pairs: Iterable[Pair]
) -> dict[str, float]:
    """Return the relative error of every value of the stage against its counterpart."""
    anchors: dict[str, list[np.ndarray]] = {}
    for ours, theirs in pairs:
        if ours.source in reference:
            anchors.setdefault(theirs.source, []).append(reference[ours.source].array)
    by_size: dict[int, list[np.ndarray]] = {}
    for value in reference.values():
        by_size.setdefault(value.array.size, []).append(value.array)
    errors = {}
    for name, value in stage.items():
        candidates = anchors.get(name)
        if candidates:
            errors[name] = max(_error(value.array, one) for one in candidates)
        else:
            errors[name] = _nearest(value.array, by_size.get(value.array.size, []))
    return errors


def _nearest(array: np.ndarray, candidates: Iterable[np.ndarray]) -> float:
    step = max(1, array.size // _SAMPLE)
    likely = sorted(candidates, key=lambda one: _error(array[::step], one[::step]))[:_NEAREST]
    return min((_error(array, one) for one in likely), default=np.inf)


def _error(given: np.ndarray, wanted: np.ndarray) -> float:
    if given.size != wanted.size:
        return np.inf
    norm = max(float(np.linalg.norm(wanted)), 1e-12)
    return float(np.linalg.norm(given - wanted)) / norm


def _first_bad(stage: Mapping[str, Value], errors: Mapping[str, float]) -> str | None:
    """Return the first value that is wrong although its inputs are right.

    A value that exists only in this form of the network has no counterpart either, but is no fault: what
    is computed from it is right again at once. A fault reaches the output, or fades.
    """
    consumers: dict[str, list[str]] = {}
    for name, value in stage.items():
        for source in value.inputs:
            consumers.setdefault(source, []).append(name)
    outputs = stage.keys() - consumers.keys()
    for name, value in stage.items():
        if errors[name] <= AGREES or any(errors.get(i, 0) > AGREES for i in value.inputs):
            continue
        pending, seen = [name], set()
        while pending:
            one = pending.pop()
            if one in outputs:
                return name
            seen.add(one)
            for consumer in consumers.get(one, ()):
                if errors[consumer] > AGREES:
                    pending += [consumer] if consumer not in seen else []
                elif errors[consumer] * _FADES > errors[one]:
                    return name
    return None


def _first_jump(stage: Mapping[str, Value], errors: Mapping[str, float]) -> str | None:
    growth = {}
    for name, value in stage.items():
        before = max((min(errors[i], 1.0) for i in value.inputs if i in errors), default=0.0)
        growth[name] = np.sqrt(max(min(errors[name], 1.0) ** 2 - before**2, 0.0))
    largest = max(growth.values(), default=0.0)
    return next((name for name in stage if largest and growth[name] >= largest / 2), None)
