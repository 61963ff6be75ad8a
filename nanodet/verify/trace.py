"""A model's convolutions and everything that flows through it, in one form for all engines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from nanodet.errors import NanodetError
from nanodet.runtime.engines import CHECKPOINT, NCNN, ONNX, kind_of

# the module of this room that looks into a kind of model file
TRACERS = {CHECKPOINT: "trace_torch", ONNX: "trace_onnx", NCNN: "trace_ncnn"}


@dataclass
class Convolution:
    """One convolution.

    Attributes:
        layer: its name.
        source, output: names of the values that it takes and makes.
        weight: float32 (O, I / groups, kernel height, kernel width), as they are computed with.
        bias: float32 (O,).
        rounding: how far its way of storing may have moved each weight, broadcasts to ``weight``.
        clipped: bool, as ``weight``: what lay beyond it was stored as the outermost step.
        settings: ``stride``, ``padding``, ``dilation`` as (y, x), and ``groups``.
    """

    layer: str
    source: str
    output: str
    weight: np.ndarray
    bias: np.ndarray
    rounding: np.ndarray | float = 0.0
    clipped: np.ndarray | bool = False
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class Traced:
    """One result of a layer, as an engine gives it.

    Attributes:
        layer, kind: name and kind of the layer that computes it.
        inputs: names of the values that this layer takes.
        array: float32 (N,), its elements in C order; None where it is not a tensor of floats.
    """

    layer: str
    kind: str
    inputs: tuple[str, ...]
    array: np.ndarray | None


@dataclass
class Value(Traced):
    """One tensor that flows through a network: a `Traced` that has an array."""

    array: np.ndarray


def convolutions(backend: Any) -> list[Convolution]:
    """Return the `Convolution` list of a loaded model in the order in which they run.

    Args:
        backend: a ``TorchBackend``, ``OnnxBackend``, ``NcnnBackend``, or another one whose
            ``path`` is an ONNX file.

    Raises:
        NanodetError: the file cannot be taken apart, or the package ``onnx`` is missing.
    """
    return _tracer(backend).convolutions(backend)


def values(backend: Any, tensor: np.ndarray) -> dict[str, Value]:
    """Run a model and return all that flows through it, in the order in which it is made.

    Args:
        backend: as in `convolutions`; an ONNX file is run by ONNX Runtime.
        tensor: float32 (1, 3, H, W).

    Returns:
        name to `Value`, the output last.
    """
    return dissolve(_tracer(backend).values(backend, tensor))


def dissolve(found: Mapping[str, Traced]) -> dict[str, Value]:
    """Leave out values without an array; who takes one takes what it was made of instead."""
    kept: dict[str, Value] = {}
    aliases: dict[str, tuple[str, ...]] = {}
    for name, value in found.items():
        sources = (one for source in value.inputs for one in aliases.get(source, (source,)))
        inputs = tuple(dict.fromkeys(sources))
        if value.array is None:
            aliases[name] = inputs
        else:
            kept[name] = Value(value.layer, value.kind, inputs, value.array)
    return kept


def _tracer(backend: Any) -> ModuleType:
    kind = kind_of(backend.path)
    if kind not in TRACERS:
        raise NanodetError(f"{backend.path}: nothing looks into this kind of model")
    try:
        return import_module(f"nanodet.verify.{TRACERS[kind]}")
    except ImportError as error:
        raise NanodetError(f"{backend.path}: to look into it needs {error.name}") from None
