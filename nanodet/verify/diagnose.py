"""Finds what is wrong inside a network: lines that name its layers."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nanodet.errors import NanodetError
from nanodet.runtime.engines import CHECKPOINT, kind_of
from nanodet.runtime.engines.backend import Backend
from nanodet.runtime.spec import Spec
from nanodet.verify import trace, weights
from nanodet.verify.artefacts import Stage
from nanodet.verify.diverge import both_names, first_divergence
from nanodet.verify.trace import Convolution, Value
from nanodet.verify.weights import Pair

ALL_AGREE = "every layer agrees on the image where the outputs differ most"


class Diagnosis:
    """Compares the layers of stages with those of the reference.

    Args:
        reference: the Backend to measure against.
        kind: how it stores its weights, as `nanodet.verify.artefacts.Stage.kind`.
        who: its name in these lines.
    """

    def __init__(self, reference: Backend, kind: str, who: str) -> None:
        self.reference, self.kind, self.who = reference, kind, who
        self._tensor: np.ndarray | None = None
        self._values: dict[str, Value] = {}
        self._convolutions: list[Convolution] = []
        self._form: Spec | None = None

    def convolutions(self, like: Spec | None) -> list[Convolution]:
        """Return those of the reference; a checkpoint's as the file of a spec has them.

        Raises:
            NanodetError: the reference is a file whose network was rewritten otherwise.
        """
        own = self.reference.spec
        like = own if like is None else like
        if kind_of(self.reference.path) is not CHECKPOINT and not trace.same_form(own, like):
            raise NanodetError(f"{self.who} and this file were rewritten in different ways")
        if self._form is None or not trace.same_form(self._form, like):
            self._convolutions = trace.convolutions(self.reference, like)
            self._form, self._tensor = like, None
        return self._convolutions

    def changed_weights(self, stage: Stage) -> list[str]:
        """Return a line if the weights of a stage are not the reference's, rounding aside.

        Returns:
            list of one line or none. Weights that cannot be read give none.
        """
        try:
            theirs = trace.convolutions(stage.backend)
            pairs = weights.pair(self.convolutions(stage.backend.spec), theirs)
        except NanodetError:
            return []
        with_bias = "int8" not in (self.kind, stage.kind)  # a quantiser corrects biases
        return self._changed_line(_differing(pairs, with_bias), pairs)

    def explain(self, stage: Stage, tensor: np.ndarray | None) -> list[str]:
        """Return lines that say where a stage diverges from the reference.

        Args:
            stage: a `nanodet.verify.artefacts.Stage`.
            tensor: float32 (1, 3, H, W) on which the two differ, which gives at least one line; None
                compares only weights and settings, for a stage that cannot be run.
        """
        model: Any = stage.backend or stage.remains
        exact, with_bias = self.kind == stage.kind == "fp32", "int8" not in (self.kind, stage.kind)
        try:
            ours, theirs = self.convolutions(model.spec), trace.convolutions(model)
            pairs = weights.pair(ours, theirs)
            changed = _differing(pairs, with_bias, settings=tensor is None)
            divergence = None
            if tensor is not None and (exact or not changed):
                divergence = first_divergence(
                    self._reference_values(tensor), trace.values(model, tensor),
                    pairs, exact, with_bias,
                )  # fmt: skip
        except NanodetError as error:
            return [] if tensor is None else [f"its layers cannot be compared: {error}"]
        lines = []
        if divergence:
            verb = f"diverges from {self.who}" if exact else "its error grows most"
            others = sum(layer != divergence.layer for layer, _ in changed)
            more = f"; the weights of {others} other layers differ too" if others else ""
            lines.append(f"{verb} at {divergence.layer}: {divergence.detail}{more}")
        else:
            lines += self._changed_line(changed, pairs)
        if len(pairs) < max(len(ours), len(theirs)):
            lines.append(
                f"it has {len(theirs)} convolutions and {self.who} {len(ours)}; {len(pairs)} of "
                "them correspond"
            )
        if not lines and stage.engine == "openvino":
            lines.append(
                "its file agrees layer by layer in ONNX Runtime: only OpenVINO's result differs"
            )
        if not lines and tensor is None:
            return []
        return lines or [ALL_AGREE]

    def _reference_values(self, tensor: np.ndarray) -> dict[str, Value]:
        """Return the reference's values on a tensor; stages often differ most on the same one."""
        if self._tensor is None or not np.array_equal(self._tensor, tensor):
            self._tensor, self._values = tensor, trace.values(self.reference, tensor, self._form)
        return self._values

    def _changed_line(self, changed: Sequence[tuple[str, str]], pairs: Sequence[Pair]) -> list[str]:
        if not changed:
            return []
        (layer, words), *more = changed
        others = f"; {len(more)} more of {len(pairs)} layers differ" if more else ""
        return [f"its weights are not those of {self.who} at {layer}: {words}{others}"]


def _differing(
    pairs: Iterable[Pair], with_bias: bool, settings: bool = False
) -> list[tuple[str, str]]:
    """Return (layer, words) of the convolutions that differ, in the order of the stage."""
    found = []
    for ours, theirs in pairs:
        words = [weights.difference(ours, theirs, with_bias)]
        words += [weights.setting_difference(ours, theirs)] if settings else []
        if any(words):
            found.append((both_names(ours, theirs), "; ".join(filter(None, words))))
    return found
