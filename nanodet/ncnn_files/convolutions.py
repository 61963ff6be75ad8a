"""The convolutions of an ncnn graph in the order of its data flow."""

from nanodet.ncnn_files.flow import NO_ACTIVATION, Convolution, in_flow_order, leaky, shape_text
from nanodet.ncnn_files.graph import Graph, Layer

KINDS = ("Convolution", "ConvolutionDepthWise", "InnerProduct")
# ncnn's activation types within a convolution, and its layers
_FUSED = {1: "ReLU", 2: "LeakyReLU", 3: "ReLU6", 4: "Sigmoid", 6: "HardSwish"}
_LAYERS = {
    "ReLU": "ReLU", "Clip": "ReLU6", "HardSwish": "HardSwish", "Swish": "SiLU",
}  # fmt: skip
_COMMUTE = ("BinaryOp", "Eltwise")


def convolutions(graph: Graph) -> list[Convolution]:
    """Return the `Convolution`s of a `Graph`, inner products among them."""
    producers, consumers = graph.producers(), graph.consumers()
    ends = [producers[blob] for blob in graph.outputs()]
    order = in_flow_order(
        ends,
        lambda layer: [producers[blob] for blob in layer.inputs],
        lambda layer: _shape(layer) if layer.kind in KINDS else None,
        lambda layer: layer.kind in _COMMUTE,
    )
    return [
        Convolution(layer.name, _shape(layer), _activation(layer, consumers), layer.inputs[0])
        for layer in order
        if layer.kind in KINDS
    ]


def _shape(layer: Layer) -> str:
    if layer.kind == "InnerProduct":  # on a map of one point
        outputs = layer.whole(0)
        return shape_text(layer.whole(2) // outputs, outputs, (1, 1), (1, 1), 1)
    groups = layer.whole(7, 1) if layer.kind == "ConvolutionDepthWise" else 1
    kernel = layer.whole(11, layer.whole(1)), layer.whole(1)
    channels = layer.whole(6) // (layer.whole(0) * kernel[0] * kernel[1]) * groups
    strides = layer.whole(13, layer.whole(3, 1)), layer.whole(3, 1)
    return shape_text(channels, layer.whole(0), kernel, strides, groups)


def _activation(layer: Layer, consumers: dict[str, Layer]) -> str:
    kind, numbers = layer.whole(9), layer.numbers(10)
    if kind == 0:
        after = consumers.get(layer.outputs[0])
        name = _LAYERS.get(after.kind, NO_ACTIVATION) if after else NO_ACTIVATION
        return leaky(after.number(0)) if after and name == "ReLU" else name
    name = _FUSED.get(kind, f"ncnn's activation {kind}")
    return leaky(numbers[0]) if name == "LeakyReLU" and len(numbers) else name
