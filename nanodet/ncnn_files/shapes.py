"""The shape of every blob of an ncnn graph, worked out without running it.

ncnn reads beyond its memory, divides by zero or takes all memory there is when the counts of a
graph do not fit together.
"""

from collections.abc import Callable
from math import inf, prod

from nanodet.errors import NanodetError
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.parameters import KINDS, check_parameters
from nanodet.ncnn_files.rules import CONVOLUTIONS, RULES
from nanodet.ncnn_files.rules.step import Shape, Step, bytes_of

MOST_BYTES = 1 << 31  # that the blobs alive at one time may take

_SEVERAL = ("Split", "Slice", "Noop")  # may have other than one output


def blob_shapes(
    graph: Graph, input_shape: Shape, file: str, others: Callable[[str], bool] | None = None
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
    shapes, alive, quantised = {}, 0, set()
    for layer in graph.layers:
        where = f"{file}: layer {layer.name}"
        known = layer.kind in KINDS or others is None or not others(layer.kind)
        if known:
            check_parameters(layer, where)
        given = [shapes[blob] for blob in layer.inputs]
        if layer.kind == "Input":
            made = [tuple(input_shape)]
        else:
            check_count(layer, known, where)
            if known and None not in given:
                made = RULES[layer.kind](Step(layer, given, where))
            else:
                made = [None] * (len(layer.outputs) if layer.kind in _SEVERAL or not known else 1)
        sides = [side for shape in made if shape is not None for side in shape]
        if len(made) != len(layer.outputs) or any(side < 1 for side in sides):
            Step(layer, [shape or ("unknown",) for shape in given], where).refuse()
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


def check_count(layer, known, where):
    """Check the number of inputs; that of outputs is checked with the shapes."""
    found = len(layer.inputs)
    least, most = _counts(layer) if known else (1, inf)
    if not least <= found <= most:
        raise NanodetError(f"{where}: {layer.kind} cannot work on {found} inputs")
    if not known and not layer.outputs:
        raise NanodetError(f"{where}: {layer.kind} has no outputs")


def _counts(layer):
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


def _workspace(layer, given, made):
    """Return the bytes that a layer may take while it works, beside its inputs and outputs."""
    if None in given or None in made:
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


def _follow_int8(layer, blobs, where):
    """Keep book of the blobs that a convolution leaves in int8; few layers can take those."""
    quantises = layer.kind in CONVOLUTIONS and layer.whole(8)
    taken = [blob for blob in layer.inputs if blob in blobs]
    if taken and layer.kind != "Split" and not quantises:
        raise NanodetError(f"{where}: {layer.kind} cannot work on {taken[0]}, which is int8")
    if (quantises and layer.whole(8) > 100) or (taken and layer.kind == "Split"):
        blobs.update(layer.outputs)
