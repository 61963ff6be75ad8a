"""ncnn graphs of NanoDet as they are found: brought into the one form that this project runs.

Converters of different years leave one output per level and kind, flat or as maps. What is asked
here is one input, and one output of points x (classes + 4 (reg_max + 1)). Only layers without
weights are added and names changed, so the ``.bin`` stays as it is.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

from nanodet.errors import NanodetError
from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.rules import ELEMENTWISE
from nanodet.ncnn_files.shapes import blob_shapes

# two sizes tell which axis of an output is its channels: the one that stays
_SIZES = (96, 160), (160, 288)  # height, width
# kinds that other detectors end in; where a graph is no NanoDet, they say so best
_FOREIGN = ("Softmax", "Flatten", "InnerProduct", "MemoryData")
_STRIDES = (4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Form:
    """What an ncnn NanoDet gives.

    Attributes:
        classes: number of classes.
        reg_max: edges are distributions over 0..reg_max.
        strides: of the levels, ascending.
    """

    classes: int
    reg_max: int
    strides: tuple


def unify(graph, file, input_name="data", output_name="output"):
    """Bring the graph of a NanoDet into the form with one output.

    Args:
        graph: a `nanodet.ncnn_files.graph.Graph`; it is not changed. Its output is already of
            that form, or it has two outputs per level (class scores after sigmoid,
            distributions), each points x channels, channels x points, or a map with its channels
            first or last.
        file: names the graph in messages.
        input_name, output_name: names to give.

    Returns:
        the new `Graph`, whose ``.bin`` is that of the old one, and its `Form`.

    Raises:
        NanodetError: not a NanoDet; one line that says why.
    """
    try:
        return _unify(graph, file, input_name, output_name)
    except NanodetError:
        for layer in graph.layers:
            if layer.kind in _FOREIGN:
                raise NanodetError(
                    f"{file}: layer {layer.name}: {layer.kind} is not known in a NanoDet"
                ) from None
        raise


def _unify(graph, file, input_name, output_name):
    graph = Graph(copy.deepcopy(graph.layers))
    graph.layers = [layer for layer in graph.layers if not _only_gathers(layer, graph)]
    free_sizes(graph)
    for layer in graph.layers:
        if layer.kind == "Interp" and (layer.whole(3) or layer.whole(4)):
            raise NanodetError(f"{file}: layer {layer.name}: is made for one input size alone")
    if len(graph.inputs()) != 1:
        raise _no_nanodet(file, f"{len(graph.inputs())} inputs")
    shapes = [blob_shapes(graph, (3, *size), file) for size in _SIZES]
    _rename(graph, graph.inputs()[0], input_name)
    outputs = graph.outputs()
    if len(outputs) == 1:
        form = _form_of_one(graph, outputs[0], shapes, file)
    else:
        joined, form = _join(graph, outputs, shapes, file)
        outputs = [joined]
    _rename(graph, outputs[0], output_name)
    graph.check(file)
    return graph, form


def free_sizes(graph):
    """Let the ``Reshape`` layers behind the head take any number of points, in place.

    pnnx writes the counts of the size it converted at.
    """
    channels = _channels(graph)
    for layer in graph.layers:
        if layer.kind != "Reshape" or set(layer.values) != {0, 1} or layer.whole(0) < 1:
            continue
        if layer.whole(1) == channels.get(layer.inputs[0]):
            layer.values[0] = "-1"


def _channels(graph):
    """Return the channels of each map as far as convolutions before it tell."""
    known = {}
    for layer in graph.layers:
        given = [known.get(blob) for blob in layer.inputs]
        made = [None]
        if layer.kind in ("Convolution", "ConvolutionDepthWise"):
            made = [layer.whole(0)]
        elif layer.kind in ("Split", *ELEMENTWISE):
            made = given[:1] * len(layer.outputs)
        elif layer.kind == "Concat" and layer.whole(0) == 0 and all(given):
            made = [sum(given)]
        elif layer.kind == "Slice" and layer.whole(1) == 0 and all(given):
            sizes = [int(size) for size in layer.numbers(0)]
            if sizes and min(sizes[:-1], default=1) > 0:
                made = [*sizes[:-1], given[0] - sum(sizes[:-1])]
        known.update(zip(layer.outputs, made, strict=False))
    return known


def _form_of_one(graph, output, shapes, file):
    """Return the form of a graph with a single output, points x channels."""
    axis, channels, counts = _channels_of(output, shapes, file)
    strides = _strides_of(counts, file)
    if axis != 1 or len(shapes[0][output]) != 2 or not strides:
        raise _no_nanodet(file, f"an output {_text(shapes[0][output])}")
    found = {_classes(layer, shapes) for layer in graph.layers if layer.kind == "Sigmoid"}
    classes = found.pop() if len(found) == 1 else None
    if classes is None:
        raise _no_nanodet(file, f"no class scores after sigmoid in its output {output}")
    return Form(classes, _reg_max(channels - classes, file), strides)


def _classes(layer, shapes):
    """Return the side of a sigmoid's output that is the same at both sizes, None without one."""
    here, there = (found[layer.outputs[0]] for found in shapes)
    same = [a for a, b in zip(here, there, strict=True) if a == b]
    return same[0] if len(same) == 1 else None


def _strides_of(counts, file):
    """Return the strides whose points, summed up, are ``counts`` at both sizes."""
    for first in range(len(_STRIDES)):
        for last in range(first + 1, len(_STRIDES) + 1):
            strides = _STRIDES[first:last]
            if all(
                sum(_rows(h, s) * _rows(w, s) for s in strides) == count
                for (h, w), count in zip(_SIZES, counts, strict=True)
            ):
                return strides
    return ()


def _join(graph, outputs, shapes, file):
    """Append what joins two outputs per level; return the joined blob and the `Form`."""
    producers = graph.producers()
    levels = {}
    for output in outputs:
        axis, channels, counts = _channels_of(output, shapes, file)
        strides = _strides_of(counts, file)
        part = "scores" if _after_sigmoid(output, producers) else "edges"
        if len(strides) != 1 or part in levels.get(strides[0], {}):
            raise _no_nanodet(file, f"an output {output} of {_text(shapes[0][output])}")
        levels.setdefault(strides[0], {})[part] = (output, axis, channels)
    strides = tuple(sorted(levels))
    kinds = {part: {level[part][2] for level in levels.values() if part in level}
             for part in ("scores", "edges")}  # fmt: skip
    whole = all(len(level) == 2 for level in levels.values())
    if not whole or any(len(channels) != 1 for channels in kinds.values()):
        raise _no_nanodet(file, f"outputs {', '.join(outputs)}")
    reg_max = _reg_max(kinds["edges"].pop(), file)
    add = _Appender(graph)
    rows = []
    for stride in strides:
        parts = []
        for part in ("scores", "edges"):
            blob, axis, channels = levels[stride][part]
            parts.append(_as_rows(add, blob, axis, channels, len(shapes[0][blob])))
        rows.append(add("Concat", parts, {0: "1"}))
    joined = add("Concat", rows, {0: "0"}) if len(rows) > 1 else rows[0]
    return joined, Form(kinds["scores"].pop(), reg_max, strides)


def _as_rows(add, blob, axis, channels, dimensions):
    """Append what makes ``blob`` points x channels."""
    if dimensions == 3 and axis == 0:
        return add("Permute", [add("Reshape", [blob], {0: "-1", 1: str(channels)})], {0: "1"})
    if dimensions == 3:
        return add("Reshape", [blob], {0: str(channels), 1: "-1"})
    return blob if axis == 1 else add("Permute", [blob], {0: "1"})


class _Appender:
    """Appends layers with one output under names that are free."""

    def __init__(self, graph):
        self.graph = graph
        self.taken = {layer.name for layer in graph.layers} | set(graph.blobs())

    def __call__(self, kind, inputs, values):
        number = 0
        while (name := f"joined_{number}") in self.taken:
            number += 1
        self.taken.add(name)
        self.graph.layers.append(Layer(kind, name, list(inputs), [name], values))
        return name


def _channels_of(output, shapes, file):
    """Return the axis of an output's channels, how many they are, and its points at both sizes."""
    here, there = (found[output] for found in shapes)
    same = [i for i, pair in enumerate(zip(here, there, strict=True)) if pair[0] == pair[1]]
    if len(same) != 1 or not 2 <= len(here) <= 3 or (len(here) == 3 and same[0] == 1):
        raise _no_nanodet(file, f"an output {output} of {_text(here)}")
    channels = here[same[0]]
    counts = []
    for shape in (here, there):
        sides = shape[: same[0]] + shape[same[0] + 1 :]
        counts.append(sides[0] * (sides[1] if len(sides) == 2 else 1))
    return same[0], channels, counts


def _after_sigmoid(blob, producers):
    layer = producers[blob]
    while layer.kind in ("Reshape", "Permute", "Split"):
        layer = producers[layer.inputs[0]]
    return layer.kind == "Sigmoid"


def _reg_max(channels, file):
    if channels < 8 or channels % 4:
        raise _no_nanodet(file, f"{channels} channels for four distributions")
    return channels // 4 - 1


def _only_gathers(layer, graph):
    """Tell whether a layer only holds the outputs together, as the graphs for benchmarks do."""
    return layer.kind == "Noop" and not set(layer.outputs) & {
        blob for other in graph.layers for blob in other.inputs
    }


def _rename(graph, old, new):
    if old != new and new in graph.blobs():
        _rename(graph, new, f"{new}_inner")
    for layer in graph.layers:
        layer.inputs = [new if blob == old else blob for blob in layer.inputs]
        layer.outputs = [new if blob == old else blob for blob in layer.outputs]


def _rows(side, stride):
    return -(-side // stride)


def _text(shape):
    return " x ".join(map(str, shape))


def _no_nanodet(file, found):
    height, width = _SIZES[0]
    return NanodetError(
        f"{Path(file)}: not a NanoDet: for {width}x{height} it has {found}; expected is one output "
        "of points x (classes + 4 (reg_max + 1)), or two per level: class scores after sigmoid, and "
        "distributions"
    )
