"""The convolutions and intermediate values of a model, in one form for all engines."""

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from nanodet.errors import NanodetError
from nanodet.runtime.engines import CHECKPOINT, NCNN, ONNX, kind_of
from nanodet.runtime.spec import Spec

# the module of this package that traces a kind of model file
TRACERS = {CHECKPOINT: "trace_torch", ONNX: "trace_onnx", NCNN: "trace_ncnn"}


@dataclass
class Convolution:
    """One convolution.

    Attributes:
        layer: its name.
        source, output: names of its input and output values.
        weight: float32 (O, I / groups, kernel height, kernel width), as used in the computation.
        bias: float32 (O,).
        rounding: by how much its storage may have changed each weight, broadcasts to ``weight``.
        clipped: bool, as ``weight``: whether it is stored as the outermost step, as are larger values.
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


def convolutions(backend: Any, like: Spec | None = None) -> list[Convolution]:
    """Return the `Convolution` list of a loaded model in the order in which they run.

    Args:
        backend: a ``TorchBackend``, ``OnnxBackend``, ``NcnnBackend``, or another one whose
            ``path`` is an ONNX file.
        like: of a checkpoint, whose network is taken in the form that this spec's files have; None for
            the form that it has itself.

    Raises:
        NanodetError: the file cannot be parsed, or the package ``onnx`` is missing.
    """
    return _tracer(backend).convolutions(_in_form(backend, like))


def values(backend: Any, tensor: np.ndarray, like: Spec | None = None) -> dict[str, Value]:
    """Run a model and return all intermediate values, in the order of computation.

    Args:
        backend, like: as in `convolutions`; an ONNX file is run by ONNX Runtime.
        tensor: float32 (1, 3, H, W).

    Returns:
        name to `Value`; what no other one takes is an output.
    """
    return dissolve(_tracer(backend).values(_in_form(backend, like), tensor))


def dissolve(found: Mapping[str, Traced]) -> dict[str, Value]:
    """Remove values without an array: what takes one gets the inputs of that value instead."""
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


def same_form(ours: Spec, theirs: Spec) -> bool:
    """Tell whether the layers of two exported files correspond: their networks were rewritten alike."""
    forms = [(one.layout, {**(one.rewriting or {}), "for": ""}) for one in (ours, theirs)]
    return forms[0] == forms[1]


def _in_form(backend: Any, like: Spec | None) -> Any:
    if like is None or kind_of(backend.path) is not CHECKPOINT:
        return backend
    spec = dataclasses.replace(
        backend.spec, layout=like.layout, rewriting=like.rewriting, input_size=like.input_size
    )
    form = copy.copy(backend)
    form.spec = spec
    return form


def _tracer(backend: Any) -> ModuleType:
    kind = kind_of(backend.path)
    if kind not in TRACERS:
        raise NanodetError(f"{backend.path}: this kind of model cannot be traced")
    try:
        return import_module(f"nanodet.verify.{TRACERS[kind]}")
    except ImportError as error:
        raise NanodetError(f"{backend.path}: tracing it needs {error.name}") from None
