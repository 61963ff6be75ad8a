"""Rewrites a floating-point ncnn model as a mixed int8 model, with a precision chosen per layer.

ncnn's int8 convolution: ``y = act(sum(q_w q_x) / (s_w s_x) + b)`` with q_w = round(w s_w) per output
channel and q_x = round(x s_x) per layer. If its output goes only into one other int8 convolution, it
is passed on as int8 in the scale of that one ("requantised") instead of as floating point.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.weights import Stored, Weights
from nanodet.quantize.observe import Observed
from nanodet.quantize.thresholds import LEVELS

INT8, FP16, TABLE = "int8", "fp16", "table"
_WINOGRAD_LEVELS = 31  # ncnn's int8 winograd works with 6-bit weights
_REQUANTISE = 100  # added to the scale term when the output is int8 too
_TABLE_SIZE = 256


def rewrite(
    graph: Graph,
    weights: Weights,
    precisions: Mapping[str, str],
    thresholds: Mapping[str, float],
    observed: Mapping[str, Observed],
) -> tuple[Graph, Weights]:
    """Return the graph and the weights of the mixed model.

    Args:
        graph, weights: the floating-point model, see `nanodet.ncnn_files.weights`; not changed.
        precisions: name of each convolution to ``int8``, or how a floating-point layer's weights
            are stored: ``fp16`` or ``table`` (one byte each into 256 values; the arithmetic stays
            floating point).
        thresholds: name of each int8 layer to the threshold of its input.
        observed: name to `nanodet.quantize.observe.Observed`, for the bias correction.
    """
    consumers = graph.consumers()
    layers: list[Layer] = []
    result: Weights = {}
    for layer in graph.layers:
        precision = precisions.get(layer.name)
        parts = weights.get(layer.name, {})
        if precision == INT8:
            following = consumers.get(layer.outputs[0])
            if following is not None and precisions.get(following.name) != INT8:
                following = None
            term = 1 + (_REQUANTISE if following is not None else 0)
            layers.append(replace(layer, values={**layer.values, 8: str(term)}))
            parts = int8_parts(layer, parts, thresholds[layer.name], observed[layer.name])
            if following is not None:
                parts["output_scale"] = _plain([LEVELS / thresholds[following.name]])
        else:
            layers.append(layer)
            if precision == FP16:
                half = parts["weight"].values.astype(np.float16)
                parts = {**parts, "weight": Stored("fp16", half)}
            elif precision == TABLE:
                parts = {**parts, "weight": table_storage(parts["weight"].values)}
        if parts:
            result[layer.name] = parts
    return Graph(layers), result


def int8_parts(
    layer: Layer, parts: Mapping[str, Stored], threshold: float, observed: Observed
) -> dict[str, Stored]:
    """Return one convolution's arrays in int8.

    The bias corrects what rounding the weights adds on average, ``(w - q_w / s_w) E[x]`` (Nagel
    et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019).
    """
    outputs = layer.whole(0)
    groups = layer.whole(7, 1) if layer.kind == "ConvolutionDepthWise" else 1
    values = parts["weight"].values.reshape(outputs, -1)
    # ncnn has one weight scale per output channel, per group in grouped convolutions
    per_scale = outputs // groups if groups > 1 else 1
    size = np.abs(values).reshape(-1, per_scale * values.shape[1]).max(axis=1)
    levels = _WINOGRAD_LEVELS if _is_winograd(layer) else LEVELS
    scales = np.where(size > 0, levels / np.maximum(size, 1e-30), 1.0).astype(np.float32)
    spread = np.repeat(scales, per_scale)[:, None]
    quantised = np.clip(np.rint(values * spread), -levels, levels)
    lost = (values - quantised / spread).reshape(outputs, -1, layer.whole(1) * _height(layer))
    means = observed.channel_means
    inputs = lost.shape[1]
    group = np.arange(outputs) // (outputs // groups)
    seen = means.reshape(groups, inputs)[group] if groups > 1 else np.tile(means, (outputs, 1))
    correction = (lost.sum(axis=2) * seen).sum(axis=1)
    bias = parts["bias"].values if "bias" in parts else None
    made = {
        "weight": Stored("int8", quantised.astype(np.int8).ravel()),
        "bias": None if bias is None else _plain(bias + correction),
        "weight_scales": _plain(scales),
        "input_scale": _plain([LEVELS / threshold]),
    }
    return {part: stored for part, stored in made.items() if stored is not None}


def table_storage(values: np.ndarray) -> Stored:
    """Store weights as one byte each into 256 values (Lloyd, "Least squares quantization in PCM").

    Starts from a mixture of quantiles and evenly spaced values, then moves each value to the mean of
    the weights that it stands for until nothing changes.
    """
    ordered = np.sort(values.astype(np.float64))
    if len(ordered) <= _TABLE_SIZE:
        table = np.pad(ordered, (0, _TABLE_SIZE - len(ordered)), mode="edge")
    else:
        half = _TABLE_SIZE // 2
        quantiles = np.quantile(ordered, (np.arange(half) + 0.5) / half)
        table = np.sort(np.concatenate([quantiles, np.linspace(ordered[0], ordered[-1], half)]))
        sums = np.concatenate([[0.0], np.cumsum(ordered)])
        for _ in range(50):
            edges = np.searchsorted(ordered, (table[1:] + table[:-1]) / 2)
            low, high = np.concatenate([[0], edges]), np.concatenate([edges, [len(ordered)]])
            filled = high > low
            means = np.where(filled, (sums[high] - sums[low]) / np.maximum(high - low, 1), table)
            if np.allclose(means, table, rtol=0, atol=1e-9):
                break
            table = np.sort(means)
    table = table.astype(np.float32)
    middles = (table[1:] + table[:-1]) / 2
    return Stored("table", np.searchsorted(middles, values).astype(np.uint8), table)


def _is_winograd(layer: Layer) -> bool:
    """Tell whether ncnn may run this int8 layer as winograd: dense, 3 x 3, stride and dilation 1."""
    kernel = (layer.whole(1), _height(layer))
    steps = (layer.whole(2, 1), layer.whole(12, layer.whole(2, 1)), layer.whole(3, 1))
    stride_h = layer.whole(13, layer.whole(3, 1))
    return layer.kind == "Convolution" and kernel == (3, 3) and {*steps, stride_h} == {1}


def _height(layer: Layer) -> int:
    return layer.whole(11, layer.whole(1))


def _plain(values: ArrayLike) -> Stored:
    return Stored("plain", np.asarray(values, np.float32).reshape(-1))
