"""The layers of an ncnn model; see `nanodet.verify.trace`."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from nanodet.errors import NanodetError
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.rules import CONVOLUTIONS
from nanodet.ncnn_files.weights import Stored, load_known_weights
from nanodet.quantize.rewrite import Weights
from nanodet.runtime.engines import files_of
from nanodet.runtime.engines.ncnn import NcnnBackend, own_mat
from nanodet.verify.trace import Convolution, Traced

Scalar = TypeVar("Scalar", bool, float)


def convolutions(backend: NcnnBackend) -> list[Convolution]:
    """See `nanodet.verify.trace.convolutions`."""
    weights = _weights(backend)
    sources = _without_splits(backend.graph)
    found = []
    for layer in backend.graph.layers:
        if layer.kind not in CONVOLUTIONS or layer.name not in weights:
            continue
        parts, outputs = weights[layer.name], layer.whole(0)
        width = layer.whole(1)
        height = layer.whole(11, width)
        weight, rounding = _values(parts, outputs)
        stored = parts["weight"]
        clipped = np.abs(stored.data) >= 127 if stored.storage == "int8" else False
        shape = (outputs, -1, height, width)
        if weight.size % max(outputs * height * width, 1):
            raise NanodetError(
                f"{backend.path}: layer {layer.name}: {weight.size} weights do not form "
                f"{outputs} kernels of {width} x {height}"
            )
        bias = parts["bias"].values if "bias" in parts else np.zeros(outputs, np.float32)
        settings = {
            "stride": (layer.whole(13, layer.whole(3, 1)), layer.whole(3, 1)),
            "padding": (layer.whole(14, layer.whole(4)), layer.whole(4)),
            "dilation": (layer.whole(12, layer.whole(2, 1)), layer.whole(2, 1)),
            "groups": layer.whole(7, 1),
        }
        if layer.whole(4) < 0:  # ncnn computes it from the input's size
            del settings["padding"]
        source = sources.get(layer.inputs[0], layer.inputs[0])
        found.append(
            Convolution(
                layer.name,
                source=source,
                output=layer.outputs[0],
                weight=weight.reshape(shape),
                bias=bias,
                rounding=_shaped(rounding, shape),
                clipped=_shaped(clipped, shape),
                settings=settings,
            )
        )
    return found


def values(backend: NcnnBackend, tensor: np.ndarray) -> dict[str, Traced]:
    """See `nanodet.verify.trace.values`."""
    extractor = backend.net.create_extractor()
    extractor.set_light_mode(False)  # else values are freed after use
    extractor.input(backend.spec.input_name, own_mat(tensor[0]))
    weights, sources = _weights(backend), _without_splits(backend.graph)
    found = {}
    for layer in backend.graph.layers:
        if layer.kind == "Split":
            continue
        inputs = tuple(sources.get(blob, blob) for blob in layer.inputs)
        for blob in layer.outputs:
            status, made = extractor.extract(blob)
            array = np.array(made) if status == 0 else None
            scale = weights.get(layer.name, {}).get("output_scale")
            if array is not None and scale is not None:
                array = (
                    array.astype(np.float32) / scale.values[0]
                )  # int8 passed on to an int8 layer
            found[blob] = Traced(
                layer.name, layer.kind, inputs, None if array is None else array.ravel()
            )
    return found


def changed_scales(backend: Any) -> list[str]:
    """Return lines about int8 layers whose input scale is not the one that the spec records.

    `nanodet quantize` writes its scales to the spec (``measured.int8.layers``); without them, and for
    other engines, there is nothing to compare.
    """
    noted = getattr(backend, "spec", None) and backend.spec.measured.get("int8")
    layers = noted.get("layers") if isinstance(noted, dict) else None
    if not isinstance(layers, list) or not hasattr(backend, "graph"):
        return []
    scales = {one.get("name"): one.get("scale") for one in layers if isinstance(one, dict)}
    lines = []
    for name, parts in _weights(backend).items():
        wanted = scales.get(name)
        if "input_scale" in parts and isinstance(wanted, (int, float)):
            given = float(parts["input_scale"].values[0])
            if abs(given - wanted) > 1e-3 * abs(wanted):
                lines.append(
                    f"layer {name}: its input scale is {given:g}, but its spec records {wanted:g}"
                )
    return lines


def _weights(backend: NcnnBackend) -> Weights:
    return load_known_weights(files_of(backend.path)[1], backend.graph, backend.path)


def _without_splits(graph: Graph) -> dict[str, str]:
    """Return what each output of a Split layer is a copy of."""
    sources: dict[str, str] = {}
    for layer in graph.layers:
        if layer.kind == "Split":
            source = sources.get(layer.inputs[0], layer.inputs[0])
            sources |= dict.fromkeys(layer.outputs, source)
    return sources


def _shaped(value: np.ndarray | Scalar, shape: tuple[int, ...]) -> np.ndarray | Scalar:
    return value.reshape(shape) if isinstance(value, np.ndarray) else value


def _values(parts: Mapping[str, Stored], outputs: int) -> tuple[np.ndarray, np.ndarray | float]:
    """Return the main weights as floats, and by how much their storage may have changed each."""
    stored = parts["weight"]
    values = stored.values.astype(np.float32)
    if stored.storage == "fp16":
        # writers flush subnormal numbers to zero
        return values, np.where(values == 0, 2.0**-14, np.abs(values) * 2.0**-11)
    if stored.table is not None:
        return values, float(np.diff(np.sort(stored.table)).max())
    if stored.storage != "int8":
        return values, 0.0
    scales = parts["weight_scales"].values
    scales = np.where(scales == 0, 1, scales)  # a channel without weights
    steps = np.repeat(1 / np.resize(scales, outputs), len(values) // outputs)
    return values * steps, 0.51 * steps
