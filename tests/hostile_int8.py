"""Sets whose convolutions are int8: sound ones, and ones that ncnn must not get."""

import math
from dataclasses import replace

import numpy as np

from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.weights import Stored, parse_weights, weights_to_bytes

# name: convolutions in int8 and ncnn's scale term; which scales are what instead
INT8 = {
    "int8": ({"convrelu_1": 1}, None, None),
    "int8 of two layers": ({"convdw_122": 1, "convrelu_1": 1}, None, None),
    "int8 handed over": ({"convdw_122": 101, "convrelu_1": 1}, None, None),
    "int8 of one scale": ({"convdw_122": 2}, None, None),
    # as ncnn's own converter writes a channel whose weights are all zero
    "int8 of infinite scales": ({"convrelu_1": 1}, "weight_scales", math.inf),
}
_HANDED = {"convdw_122": 101, "convrelu_1": 1}
# name: the same, and which scales are what instead
BAD_INT8 = {
    "int8 handed to a join": ({"convrelu_1": 101}, None, None),
    "int8 handed to floats": ({"convdw_122": 101}, None, None),
    "int8 handed to a Split": ({"convrelu_9": 101}, None, None),
    "int8 by an unknown term": ({"convrelu_1": 3}, None, None),
    "int8 by a large term": ({"convrelu_1": 1001}, None, None),
    "int8 with a scale that is NaN": (_HANDED, "weight_scales", math.nan),
    "int8 with a scale of minus infinity": (_HANDED, "weight_scales", -math.inf),
    "int8 with an infinite scale": (_HANDED, "input_scale", math.inf),
}


def with_int8(model, terms, part=None, value=None):
    """Return the model with convolutions in int8: name to ncnn's scale term.

    Args:
        model: a `Model`.
        terms: 1 and 2 are int8, 101 and 102 hand int8 over to the next layer.
        part, value: one of ``weight_scales``, ``input_scale`` and ``output_scale``, and its values
            in all of them.
    """
    graph = Graph.parse(model.graph.decode(), "graph")
    weights = parse_weights(model.weights, graph, "weights", "graph")
    for layer in graph.layers:
        if layer.name not in terms:
            continue
        term = terms[layer.name]
        layer.values[8] = str(term)
        stored, outputs = weights[layer.name], layer.whole(0)
        values = stored["weight"].values.reshape(outputs, -1)
        scales = 1 if term % 100 == 2 and layer.kind == "ConvolutionDepthWise" else outputs
        stored["weight"] = Stored("int8", np.clip(values * 60, -127, 127).astype(np.int8).ravel())
        stored["weight_scales"] = Stored("plain", np.full(scales, 60, np.float32))
        stored["input_scale"] = Stored("plain", np.array([20], np.float32))
        if term > 100:
            stored["output_scale"] = Stored("plain", np.array([20], np.float32))
        if part is not None:
            stored[part].data[:] = value
    weights = weights_to_bytes(graph, weights)
    return replace(model, graph=graph.to_text().encode(), weights=weights)
