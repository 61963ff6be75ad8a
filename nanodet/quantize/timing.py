"""Times layers and models on this CPU, always side by side because a machine's speed drifts."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nanodet.errors import NanodetError
from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.weights import Stored, Weights, weights_to_bytes
from nanodet.runtime.engines.ncnn import own_mat, set_options
from nanodet.runtime.spec import Spec

LAYER_RUNS, MODEL_RUNS = 60, 80
_WARM_UP = 5


def load(graph: Graph, weights: Weights, threads: int = 1, precision: str = "fp32") -> Any:
    """Return an ``ncnn.Net`` of a model in memory."""
    import ncnn

    net = ncnn.Net()
    set_options(net, threads, precision)
    if net.load_param_mem(graph.to_text()) != 0:
        raise NanodetError("ncnn cannot load the rewritten graph")
    net.load_model_mem(weights_to_bytes(graph, weights))
    return net


def layer_times(
    layer: Layer,
    shape: tuple[int, ...],
    variants: Sequence[tuple[Layer, Mapping[str, Stored]]],
    runs: int = LAYER_RUNS,
) -> np.ndarray:
    """Return the median seconds of one layer in each of its forms, one thread, taking turns.

    Args:
        layer: a `nanodet.ncnn_files.graph.Layer`, floating point.
        shape: (channels, height, width) of its input.
        variants: list of (layer, parts): the forms.
        runs: of each form.
    """
    rng = np.random.default_rng(0)
    values = rng.standard_normal(shape).astype(np.float32)
    source = Layer("Input", "source", [], [layer.inputs[0]])
    nets = [
        load(Graph([source, one]), {one.name: {k: v for k, v in parts.items()}})
        for one, parts in variants
    ]
    return _medians(nets, layer.inputs[0], layer.outputs, values, runs)


def model_times(
    nets: Sequence[Any], spec: Spec, tensor: np.ndarray, runs: int = MODEL_RUNS
) -> np.ndarray:
    """Return the median seconds of whole models, taking turns.

    Of each turn the second run counts: in use, the caches hold what the run before left there.

    Args:
        nets: list of loaded ``ncnn.Net``.
        spec: names input and outputs.
        tensor: float32 (1, 3, H, W).
    """
    return _medians(nets, spec.input_name, spec.output_names, tensor[0], runs, in_a_row=2)


def _medians(
    nets: Sequence[Any],
    input_name: str,
    outputs: Sequence[str],
    values: np.ndarray,
    runs: int,
    in_a_row: int = 1,
) -> np.ndarray:
    image = own_mat(values)
    seconds = np.empty((runs, len(nets)))
    for run in range(-_WARM_UP, runs):
        for index, net in enumerate(nets):
            for _ in range(in_a_row):
                start = time.perf_counter()
                extractor = net.create_extractor()
                extractor.input(input_name, image)
                for name in outputs:
                    extractor.extract(name)
                took = time.perf_counter() - start
            if run >= 0:
                seconds[run, index] = took
    return np.median(seconds, axis=0)
