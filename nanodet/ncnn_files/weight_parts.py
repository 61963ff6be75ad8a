"""What each kind of layer keeps in the ``.bin``, and in which order."""

from collections.abc import Callable, Iterator
from math import prod
from typing import NamedTuple

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.ncnn_files.graph import Layer
from nanodet.ncnn_files.parameters import KINDS, NotKnown
from nanodet.ncnn_files.rules.forms import constant_shape

QUANTISED = ("Convolution", "ConvolutionDepthWise", "InnerProduct")  # kinds that may work in int8


class Part(NamedTuple):
    """One array of a layer; ``tagged`` ones say in the file how they are stored."""

    name: str
    length: int
    tagged: bool = False


def layout(layer: Layer, file: StrPath) -> list[Part]:
    """Return what a layer keeps in the ``.bin``, in order.

    Args:
        layer: a `nanodet.ncnn_files.graph.Layer`.
        file: names the graph in messages.

    Returns:
        ``weight``, ``bias``, ``weight_scales``, ``input_scale``, ``output_scale`` and others.

    Raises:
        NanodetError: counts that cannot be; `NotKnown` where the kind of layer is not known here.
    """
    where = f"{file}: layer {layer.name}"
    if layer.kind not in KINDS:
        raise NotKnown(f"{where}: {layer.kind}: weights of this kind cannot be read here")
    parts = list(_PARTS.get(layer.kind, _none)(layer, where))
    for part in parts:
        if not 0 < part.length < 1 << 31:
            raise NanodetError(f"{where}: {part.length} values of {part.name} cannot be")
    return parts


def _none(layer: Layer, where: str) -> Iterator[Part]:
    return iter(())


def _convolution(layer: Layer, where: str) -> Iterator[Part]:
    inner = layer.kind == "InnerProduct"
    outputs, bias, count = map(layer.whole, (0, 1, 2) if inner else (0, 5, 6))
    if not 0 < outputs <= count or count % outputs:
        raise NanodetError(f"{where}: {count} weights cannot make {outputs} outputs")
    yield Part("weight", count, True)
    if bias:
        yield Part("bias", outputs)
    term = layer.whole(8) if layer.kind in QUANTISED else 0
    if not term:
        return
    scales = outputs
    if layer.kind == "ConvolutionDepthWise":
        scales = layer.whole(7, 1) if term % 100 == 1 else 1
    yield Part("weight_scales", scales)
    yield Part("input_scale", 1)
    if term > 100 and not inner:
        yield Part("output_scale", 1)


def _batch_norm(layer: Layer, where: str) -> Iterator[Part]:
    for name in ("slope", "mean", "variance", "bias"):
        yield Part(name, layer.whole(0))


def _scale(layer: Layer, where: str) -> Iterator[Part]:
    yield Part("scale", layer.whole(0))
    if layer.whole(1):
        yield Part("bias", layer.whole(0))


def _padding(layer: Layer, where: str) -> Iterator[Part]:
    if layer.whole(6):
        yield Part("value", layer.whole(6))


def _norm(layer: Layer, where: str) -> Iterator[Part]:
    affine, count = (3, 1) if layer.kind == "GroupNorm" else (2, 0)
    if layer.whole(affine, 1):
        yield Part("gamma", layer.whole(count))
        if layer.kind != "RMSNorm":
            yield Part("beta", layer.whole(count))


def _constant(layer: Layer, where: str) -> Iterator[Part]:
    yield Part("weight", prod(constant_shape(layer)), layer.whole(21, 1) == 0)


def _gemm(layer: Layer, where: str) -> Iterator[Part]:
    rows, columns, inner = map(layer.whole, (7, 8, 9))
    if layer.whole(4):
        yield Part("a", rows * inner, True)
    if layer.whole(5):
        yield Part("b", columns * inner, True)
    if layer.whole(6) and layer.whole(10) != -1:
        counts = {0: 1, 1: rows, 2: rows, 3: rows * columns, 4: columns}
        yield Part("c", counts.get(layer.whole(10), 0), True)


def _attention(layer: Layer, where: str) -> Iterator[Part]:
    embedded, count = layer.whole(0), layer.whole(2)
    if embedded < 1 or count % embedded:
        raise NanodetError(f"{where}: {count} weights cannot make {embedded} outputs")
    key, value = (embedded * layer.whole(of, embedded) for of in (3, 4))
    for name, size in (("query", count), ("key", key), ("value", value)):
        yield Part(name, size, True)
        yield Part(f"{name}_bias", embedded)
    yield Part("weight", count, True)
    yield Part("bias", count // embedded)


_PARTS: dict[str, Callable[[Layer, str], Iterator[Part]]] = {
    **dict.fromkeys(
        (
            "Convolution", "ConvolutionDepthWise", "InnerProduct", "Deconvolution",
            "DeconvolutionDepthWise",
        ),
        _convolution,
    ),
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "PReLU": lambda layer, where: iter([Part("slope", layer.whole(0))]),
    "Bias": lambda layer, where: iter([Part("bias", layer.whole(0))]),
    "Padding": _padding,
    **dict.fromkeys(("LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm"), _norm),
    "MemoryData": _constant,
    "Gemm": _gemm,
    "MultiHeadAttention": _attention,
}  # fmt: skip
