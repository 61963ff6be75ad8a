"""The interface of loaded models, and checks of a model against its spec."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from nanodet.errors import NanodetError
from nanodet.runtime.spec import Shape, Spec, fits, format_shape
from nanodet.runtime.spec_json import MAPS


class Backend(Protocol):
    """A loaded model.

    Attributes:
        spec: the inputs and outputs of the model.
        path: its file.
    """

    spec: Spec
    path: str

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """Run the network once.

        Args:
            tensor: float32 (1, 3, H, W), normalised, H and W multiples of 32.

        Returns:
            float32 (points, classes + 4 (reg_max + 1)): levels in order of stride, each row by
            row; class scores 0..1 after sigmoid, then the distributions of the left, top, right
            and bottom edge before softmax. If the spec's form is ``boxes``, float32 (N, 6):
            ``xyxy`` in network pixels, score, class index, best first.
        """
        ...


class MapsBackend(Backend, Protocol):
    """A loaded model of the layout ``maps``, whose `run` converts them to rows."""

    def maps(self, tensor: np.ndarray) -> list[np.ndarray]:
        """Run the network once; return float32 (channels, rows, columns) of each level.

        Class channels are logits. The arrays are valid until the next run.
        """
        ...


class BoxesBackend(Backend, Protocol):
    """A loaded model of the form ``boxes``, which takes thresholds; None: the model's."""

    def run(
        self, tensor: np.ndarray, score: float | None = None, nms_iou: float | None = None
    ) -> np.ndarray: ...


def check_form(
    spec: Spec,
    file: object,
    inputs: Mapping[str, Shape | None],
    outputs: Mapping[str, Shape | None],
) -> None:
    """Raise `NanodetError` unless the inputs and outputs of a model match its spec.

    Args:
        spec: a `Spec`.
        file: names the model in messages.
        inputs, outputs: name to shape, None for each side that is not fixed, and for a shape that
            the model does not state. A leading batch is part of the input, and of outputs that are
            not boxes.
    """
    wanted = spec.output_names
    # a level that the spec leaves out would be left out of the boxes
    any_level = re.compile(f"{re.escape(spec.output_name)}_[0-9]+")
    more = [
        n for n in outputs if spec.layout == MAPS and n not in wanted and any_level.fullmatch(n)
    ]
    if list(inputs) != [spec.input_name] or not set(wanted) <= set(outputs) or more:
        raise NanodetError(
            f"{file}: its spec says input {spec.input_name} and output {', '.join(wanted)}, but it "
            f"has {', '.join(inputs)} and {', '.join(outputs)}"
        )
    width, height = spec.input_size
    shape = inputs[spec.input_name]
    expected: Shape = (spec.batch, 3, height, width)
    if shape is not None and not fits(shape, expected):
        raise NanodetError(
            f"{file}: its input is {format_shape(shape)}, but its spec says {format_shape(expected)}"
        )
    if spec.form == "boxes":
        for name, expected in zip(wanted, ((None, 4), (None,), (None,)), strict=True):
            shape = outputs[name]
            if shape is not None and not fits(shape, expected):
                raise NanodetError(
                    f"{file}: its output {name} is {format_shape(shape)}, but boxes are "
                    "any x 4, their scores and labels any"
                )
        return
    for level, name in enumerate(wanted):
        shape = outputs[name]
        if shape is None:
            continue
        batch, *sides = shape or (None,)  # one number has no batch
        if batch not in (spec.batch, None):
            raise NanodetError(f"{file}: its output has a batch of {batch}, not {spec.batch}")
        if spec.layout == MAPS:
            spec.check_map_shape(tuple(sides), level, spec.input_size, file)
        else:
            spec.check_output_shape(tuple(sides), spec.input_size, file)


def check_rank(path: object, name: str, value: Any, rank: int) -> None:
    """Raise `NanodetError` unless an output is an array of ``rank`` dimensions.

    The shapes of outputs that a file states may be wrong or missing.
    """
    if getattr(value, "ndim", None) != rank:
        shape = list(value.shape) if hasattr(value, "shape") else "a list"
        raise NanodetError(
            f"{path}: its output {name} is {shape}, not a tensor of {rank} dimensions"
        )
