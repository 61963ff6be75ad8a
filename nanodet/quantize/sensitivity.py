"""What each layer in int8 costs in accuracy and gains in time, measured one layer at a time."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from nanodet.compare.distortion import Distortion
from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.weights import Weights
from nanodet.quantize.observe import Observed, running
from nanodet.quantize.rewrite import INT8, rewrite
from nanodet.quantize.thresholds import METHODS
from nanodet.quantize.timing import layer_times, load

SAME = 0.01  # relative difference below which a second threshold is not tried


@dataclass
class LayerReport:
    """One convolution: what was measured, and the precision chosen for it.

    Attributes:
        name, kind: as in the graph.
        weights: number of weights.
        shape: (channels, height, width) of its input.
        method: the one that chose the threshold, see `nanodet.quantize.thresholds`.
        threshold: of the input's magnitude; the scale is 127 / threshold.
        sensitivity: distortion of the output with this layer alone in int8, see
            `nanodet.compare.distortion`.
        float_us, int8_us: median microseconds of the layer alone, one thread, side by side.
        precision: ``int8``, or ``fp16`` or ``table`` (storage of a floating-point layer).
        reason: why it is not int8; empty for int8.
    """

    name: str
    kind: str
    weights: int
    shape: tuple[int, ...]
    method: str
    threshold: float
    sensitivity: float
    float_us: float
    int8_us: float
    precision: str = INT8
    reason: str = ""

    @property
    def gain_us(self) -> float:
        """Microseconds that int8 saves."""
        return self.float_us - self.int8_us


def measure_layers(
    graph: Graph,
    weights: Weights,
    layers: Iterable[Layer],
    observed: Mapping[str, Observed],
    distortion: Distortion,
    method: str,
    step: Callable[[], object] = lambda: None,
) -> list[LayerReport]:
    """Measure every layer alone in int8.

    Args:
        graph, weights: the floating-point model.
        layers: the convolutions to measure.
        observed: name to `nanodet.quantize.observe.Observed`.
        distortion: a `nanodet.compare.distortion.Distortion`.
        method: a name of `METHODS`, or ``best`` for the one that distorts least.
        step: called after each layer.

    Returns:
        one `LayerReport` per layer, in order.
    """
    methods = METHODS if method == "best" else {method: METHODS[method]}
    reports = []
    for layer in layers:
        seen = observed[layer.name]
        tried: list[float] = []
        found = []
        for name, choose in methods.items():
            threshold = choose(seen.histogram)
            if any(abs(threshold - other) <= SAME * other for other in tried):
                continue
            tried.append(threshold)
            made = rewrite(graph, weights, {layer.name: INT8}, {layer.name: threshold}, observed)
            cost = distortion.of(running(load(*made), distortion.spec))
            found.append((cost, name, threshold, made))
        cost, name, threshold, (changed, parts) = min(found, key=lambda one: one[0])
        quantised = next(one for one in changed.layers if one.name == layer.name)
        seconds = layer_times(
            layer, seen.shape, [(layer, weights[layer.name]), (quantised, parts[layer.name])]
        )
        reports.append(
            LayerReport(
                layer.name,
                layer.kind,
                weights=layer.whole(6),
                shape=seen.shape,
                method=name,
                threshold=threshold,
                sensitivity=cost,
                float_us=1e6 * seconds[0],
                int8_us=1e6 * seconds[1],
            )
        )
        step()
    return reports
