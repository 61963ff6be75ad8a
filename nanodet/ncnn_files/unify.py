"""ncnn graphs of NanoDet as they are found: brought into the one form that this project runs.

Converters of different years leave outputs of many kinds, see `nanodet.ncnn_files.layout`, and
resizing for one input size alone. What is asked here is one input, and one output of points x
(classes + 4 (reg_max + 1)) with scores after sigmoid. Only layers without weights are added and names
and sizes changed, so the ``.bin`` stays as it is.
"""

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.layout import Form, Output, Part, form_of, part_of
from nanodet.ncnn_files.parameters import NotKnown
from nanodet.ncnn_files.resizing import SIZES, check_layers, free_resizing
from nanodet.ncnn_files.rules import CONVOLUTIONS, ELEMENTWISE
from nanodet.ncnn_files.rules.step import Shape

_SIGMOID = 4  # ncnn's activation type within a convolution
# kinds that other detectors end in; where a graph is no NanoDet, they say so best
_FOREIGN = ("Softmax", "Flatten")


def unify(
    graph: Graph,
    file: StrPath,
    input_name: str = "data",
    output_name: str = "output",
    classes: int | None = None,
    strict: bool = True,
) -> tuple[Graph, Form]:
    """Bring the graph of a NanoDet into the form with one output.

    Args:
        graph: a `nanodet.ncnn_files.graph.Graph`; it is not changed. For its outputs see
            `nanodet.ncnn_files.layout`.
        file: names the graph in messages.
        input_name, output_name: names to give.
        classes: how many classes it has, where the user knows: not every graph tells.
        strict: whether another number than the file tells is refused; else the file's counts.

    Returns:
        the new `Graph`, whose ``.bin`` is that of the old one, and its `Form`.

    Raises:
        NanodetError: not a NanoDet; one line that says why.
    """
    try:
        return _unify(graph, Path(file), input_name, output_name, classes, strict)
    except NotKnown:
        for layer in graph.layers:
            if layer.kind in _FOREIGN:
                raise NanodetError(
                    f"{file}: layer {layer.name}: {layer.kind} is not known in a NanoDet"
                ) from None
        raise
    except NanodetError as error:
        if str(error).startswith(f"{file}: "):
            raise
        raise NanodetError(f"{file}: {error}") from None  # of a number in a layer


def _unify(
    graph: Graph,
    file: StrPath,
    input_name: str,
    output_name: str,
    classes: int | None,
    strict: bool,
) -> tuple[Graph, Form]:
    graph = Graph(copy.deepcopy(graph.layers))
    graph.layers = [layer for layer in graph.layers if not _only_gathers(layer, graph)]
    check_layers(graph, file)
    free_sizes(graph)
    if len(graph.inputs()) != 1:
        raise NanodetError(f"{file}: not a NanoDet: it has {len(graph.inputs())} inputs, not one")
    size, shapes = free_resizing(graph, file)
    outputs = [
        Output(blob, tuple(found[blob] or () for found in shapes), _scores(blob, graph, shapes))
        for blob in graph.outputs()
    ]
    form = dataclasses.replace(form_of(outputs, SIZES, file, classes, strict), size=size)
    _rename(graph, graph.inputs()[0], input_name)
    _rename(graph, _join(graph, form), output_name)
    graph.check(file)
    return graph, form


def free_sizes(graph: Graph) -> None:
    """Let the ``Reshape`` layers after the head take any number of points, in place.

    pnnx writes the counts of the size it converted at.
    """
    channels = _channels(graph)
    for layer in graph.layers:
        if layer.kind != "Reshape" or set(layer.values) != {0, 1} or layer.whole(0) < 1:
            continue
        if layer.whole(1) == channels.get(layer.inputs[0]):
            layer.values[0] = "-1"


def _channels(graph: Graph) -> dict[str, int | None]:
    """Return the channels of each map as far as convolutions before it tell."""
    known: dict[str, int | None] = {}
    for layer in graph.layers:
        given = [known.get(blob) for blob in layer.inputs]
        made: Sequence[int | None] = [None]
        if layer.kind in CONVOLUTIONS:
            made = [layer.whole(0)]
        elif layer.kind in ("Split", *ELEMENTWISE):
            made = given[:1] * len(layer.outputs)
        elif layer.kind == "Concat" and layer.whole(0) == 0 and all(given):
            made = [sum(count for count in given if count)]
        elif layer.kind == "Slice" and layer.whole(1) == 0 and given[0]:
            sizes = [int(size) for size in layer.numbers(0)]
            if sizes and min(sizes[:-1], default=1) > 0:
                made = [*sizes[:-1], given[0] - sum(sizes[:-1])]
        known.update(zip(layer.outputs, made, strict=False))
    return known


def _scores(blob: str, graph: Graph, shapes: list[dict[str, Shape | None]]) -> int:
    """Return how many channels of an output come after a sigmoid."""
    producers, counts = graph.producers(), set()
    waiting, seen = [blob], set()
    while waiting:
        found = waiting.pop()
        if found in seen:
            continue
        seen.add(found)
        layer = producers[found]
        if layer.kind in ("Reshape", "Permute", "Split", "Concat"):
            waiting += layer.inputs
        elif layer.kind == "Softmax":
            raise NotKnown(f"layer {layer.name}: a NanoDet does not end in it")
        elif layer.kind == "Sigmoid" or (layer.kind in CONVOLUTIONS and layer.whole(9) == _SIGMOID):
            readings = part_of(Output(found, tuple(one[found] or () for one in shapes)), SIZES)
            counts |= {part.channels for part in readings}
    return counts.pop() if len(counts) == 1 else 0


def _join(graph: Graph, form: Form) -> str:
    """Append what makes one output of points x channels; return its blob."""
    add = _Appender(graph)
    rows = []
    for group in form.groups:
        parts = [_as_rows(add, part) for part in group]
        if not form.sigmoid and len(parts) == 1:
            parts = add("Slice", parts, {-23300: f"2,{form.classes},-233", 1: "1"}, 2)
        if not form.sigmoid:
            parts[0] = add("Sigmoid", parts[:1], {})[0]
        rows += parts if len(parts) == 1 else add("Concat", parts, {0: "1"})
    return rows[0] if len(rows) == 1 else add("Concat", rows, {0: "0"})[0]


def _as_rows(add: "_Appender", part: Part) -> str:
    """Append what makes an output points x channels."""
    if part.rank == 3 and part.axis == 0:
        (flat,) = add("Reshape", [part.name], {0: "-1", 1: str(part.channels)})
        return add("Permute", [flat], {0: "1"})[0]
    if part.rank == 3:
        return add("Reshape", [part.name], {0: str(part.channels), 1: "-1"})[0]
    return part.name if part.axis == 1 else add("Permute", [part.name], {0: "1"})[0]


class _Appender:
    """Appends layers under names that are free; returns the names of what they give."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.taken = {layer.name for layer in graph.layers} | set(graph.blobs())
        self.number = 0

    def __call__(
        self, kind: str, inputs: list[str], values: dict[int, str], count: int = 1
    ) -> list[str]:
        names = [self._free() for _ in range(count)]
        self.graph.layers.append(Layer(kind, names[0], list(inputs), list(names), values))
        return names

    def _free(self) -> str:
        while (name := f"joined_{self.number}") in self.taken:
            self.number += 1
        self.taken.add(name)
        return name


def _only_gathers(layer: Layer, graph: Graph) -> bool:
    """Tell whether a layer only holds the outputs together, as the graphs for benchmarks do."""
    return layer.kind == "Noop" and not set(layer.outputs) & {
        blob for other in graph.layers for blob in other.inputs
    }


def _rename(graph: Graph, old: str, new: str) -> None:
    if old != new and new in graph.blobs():
        _rename(graph, new, f"{new}_inner")
    for layer in graph.layers:
        layer.inputs = [new if blob == old else blob for blob in layer.inputs]
        layer.outputs = [new if blob == old else blob for blob in layer.outputs]
