"""The shape of every blob of an ncnn graph, worked out without running it.

ncnn reads beyond its memory, divides by zero or takes all memory there is when the counts of a
graph do not fit together.
"""

from collections.abc import Callable
from math import inf, prod

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.parameters import KINDS, check_parameters
from nanodet.ncnn_files.rules import CONVOLUTIONS, RULES
from nanodet.ncnn_files.rules.step import Shape, Step, bytes_of, text_of

MOST_BYTES = 1 << 31  # that the blobs alive at one time may take

_SEVERAL = ("Split", "Slice", "Noop")  # may have other than one output


def blob_shapes(
    graph: Graph, input_shape: Shape, file: StrPath, others: Callable[[str], bool] | None = None
) -> dict[str, Shape | None]:
    """Work out the shapes of a graph.

    Args:
        graph: a `Graph`.
        input_shape: (channels, height, width) of every input.
        file: names the graph in messages.
        others: tells which kinds of layers may pass that are not known here; None: none.

    Returns:
        name of the blob to its shape in numpy's order: (channels, rows, columns) or (rows, columns);
        None for what a layer makes that is not known here, and for what depends on that.

    Raises:
        NanodetError: counts that do not fit together; `NotKnown` where the kind of a layer, or what
            it asks for, is not known here.
    """
    shapes: dict[str, Shape | None] = {}
    quantised: set[str] = set()
    alive = 0
    for layer in graph.layers:
        where = f"{file}: layer {layer.name}"
        known = layer.kind in KINDS or others is None or not others(layer.kind)
        if known:
            check_parameters(layer, where)
        given = [shapes[blob] for blob in layer.inputs]
        if layer.kind == "Input":
            made: list[Shape | None] = [tuple(input_shape)]
        else:
            check_count(layer, known, where)
            whole = [shape for shape in given if shape is not None]
            if known and len(whole) == len(given):
                made = [*RULES[layer.kind](Step(layer, whole, where))]
            else:
                made = [None] * (len(layer.outputs) if layer.kind in _SEVERAL or not known else 1)
        sides = [side for shape in made if shape is not None for side in shape]
        if len(made) != len(layer.outputs) or any(side < 1 for side in sides):
            raise NanodetError(f"{where}: cannot work on {text_of(given)}")
        needed = alive + bytes_of(made) + _workspace(layer, given, made)
        if needed > MOST_BYTES:
            raise NanodetError(f"{where}: would need {needed / 1e9:.1f} GB of memory")
        alive += bytes_of(made) - bytes_of(given)
        shapes.update(zip(layer.outputs, made, strict=True))
        _follow_int8(layer, quantised, where)
    for blob in graph.outputs():
        if blob in quantised:
            raise NanodetError(f"{file}: {blob}: is left in int8")
    return shapes


def check_count(layer: Layer, known: bool, where: str) -> None:
    """Check the number of inputs; that of outputs is checked with the shapes."""
    found = len(layer.inputs)
    least, most = _counts(layer) if known else (1, inf)
    if not least <= found <= most:
        raise NanodetError(f"{where}: {layer.kind} cannot work on {found} inputs")
    if not known and not layer.outputs:
        raise NanodetError(f"{where}: {layer.kind} has no outputs")


def _counts(layer: Layer) -> tuple[float, float]:
    """Return the least and the most inputs of a layer."""
    masked = 1 if layer.kind in ("MultiHeadAttention", "SDPA") and layer.whole(5) else 0
    if layer.kind in ("Concat", "Noop"):
        return 1, inf
    if layer.kind == "Eltwise":
        return 2, inf
    if layer.kind == "BinaryOp":
        return (1, 1) if layer.whole(1) else (2, 2)
    if layer.kind == "MatMul":
        return 2, 2
    if layer.kind == "MemoryData":
        return 0, 0
    if layer.kind == "SDPA":
        return 3 + masked, 3 + masked
    if layer.kind == "MultiHeadAttention":
        return 1 + masked, 3 + masked
    if layer.kind == "Gemm":
        matrices = 2 - layer.whole(4) - layer.whole(5)
        return max(matrices, 1), matrices + 1 - layer.whole(6)
    return 1, 1


def _workspace(layer: Layer, inputs: list[Shape | None], outputs: list[Shape | None]) -> int:
    """Return the bytes that a layer may take while it works, beside its inputs and outputs."""
    given = [shape for shape in inputs if shape is not None]
    made = [shape for shape in outputs if shape is not None]
    if len(given) < len(inputs) or len(made) < len(outputs):
        return 0
    if layer.kind == "Convolution":  # unfolds its input
        kernel = layer.whole(1) * layer.whole(11, layer.whole(1))
        return 4 * given[0][0] * kernel * prod(made[0][1:])
    if layer.kind == "Deconvolution":  # folds its output
        kernel = layer.whole(1) * layer.whole(11, layer.whole(1))
        return 4 * layer.whole(0) * kernel * prod(given[0][1:])
    if layer.kind in ("MatMul", "Gemm", "InnerProduct"):  # turns or packs them
        return bytes_of(given)
    if layer.kind == "SDPA":
        return 4 * prod(given[0][:2]) * given[1][1] + bytes_of(given)
    if layer.kind == "MultiHeadAttention":
        rows = [shape[0] for shape in given]
        embedded = 4 * layer.whole(0) * (rows[0] + 3 * max(rows))
        return 4 * layer.whole(1, 1) * rows[0] * max(rows) + embedded
    return 0


def _follow_int8(layer: Layer, blobs: set[str], where: str) -> None:
    """Keep book of the blobs that a convolution leaves in int8; few layers can take those."""
    quantises = layer.kind in CONVOLUTIONS and layer.whole(8)
    taken = [blob for blob in layer.inputs if blob in blobs]
    if taken and layer.kind != "Split" and not quantises:
        raise NanodetError(f"{where}: {layer.kind} cannot work on {taken[0]}, which is int8")
    if (quantises and layer.whole(8) > 100) or (taken and layer.kind == "Split"):
        blobs.update(layer.outputs)
