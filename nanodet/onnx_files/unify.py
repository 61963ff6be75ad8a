"""ONNX files of NanoDet as they are found: brought into the one form that this project runs.

As `nanodet.ncnn_files.unify` does for ncnn. What an old exporter appended to the distributions to
make distances of them (softmax, and the product with 0..reg_max) is cut off: decoding does that.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.ncnn_files.layout import Form, Output, Part, form_of, part_of
from nanodet.onnx_files.graph import MOVES, import_onnx, input_of, producers, run

if TYPE_CHECKING:
    import onnx

# two sizes tell which axis of an output is its channels: the one that stays
_SIZES = (96, 160), (160, 288)  # height, width; for files that take any
_DECODING = (*MOVES, "MatMul", "Mul", "ReduceSum", "Gemm", "Conv")


def unify(
    model: "onnx.ModelProto",
    file: StrPath,
    classes: int | None = None,
    strict: bool = True,
    input_name: str = "data",
    output_name: str = "output",
) -> "tuple[onnx.ModelProto, Form]":
    """Bring the ONNX file of a NanoDet into the form with one output.

    Args:
        model: an ``onnx.ModelProto`` as `nanodet.onnx_files.graph.load_onnx` gives it; not changed.
        file: names it in messages.
        classes: how many classes it has, where the user knows: not every graph tells.
        strict: whether another number than the file tells is refused; else the file's counts.
        input_name, output_name: names to give.

    Returns:
        the new model, and its `nanodet.ncnn_files.layout.Form`, whose ``size`` is None where the
        file takes any.

    Raises:
        NanodetError: not a NanoDet; one line that says why.
    """
    onnx = import_onnx(file)
    given, model = model, onnx.ModelProto()
    model.CopyFrom(given)
    _, sides = input_of(model, file)
    height, width = sides
    fixed = None if height is None or width is None else (height, width)
    sizes = _SIZES if fixed is None else (fixed,)
    makers = producers(model)
    names = [value.name for value in model.graph.output]
    cut = {name: before for name in names if (before := _before_softmax(name, makers))}
    sigmoids = {name: _sigmoids(name, makers) for name in names}
    wanted = {*names, *cut.values(), *(found for one in sigmoids.values() for found in one)}
    shapes = _shapes(model, file, sizes, sorted(wanted))

    outputs = []
    bins: dict[str, int] = {}
    for name in names:
        source = cut.get(name, name)
        found = [_without_batch(shape) for shape in shapes[source]]
        if name in cut:
            bins[source] = 4 * found[0][-1]
            if np.prod(shapes[name][0]) * found[0][-1] != np.prod(found[0]):
                raise NanodetError(
                    f"{file}: not a NanoDet: its output {name} follows a softmax that is not of edges"
                )
            found = [(int(np.prod(shape)) // bins[source], bins[source]) for shape in found]
        outputs.append(Output(source, tuple(found), _scores(sigmoids[name], shapes, sizes)))
    form = form_of(outputs, sizes, file, classes, strict)
    joined = _join(model, form, bins, onnx)
    _rename(model, joined, output_name)
    _rename(model, model.graph.input[0].name, input_name)
    count = (
        None if fixed is None else sum(-(-fixed[0] // s) * -(-fixed[1] // s) for s in form.strides)
    )
    channels = form.classes + 4 * (form.reg_max + 1)
    _finish(model, onnx, input_name, sides, output_name, (count, channels))
    return model, dataclasses.replace(form, size=None if fixed is None else fixed[::-1])


def _before_softmax(name: str, makers: "dict[str, onnx.NodeProto]") -> str | None:
    """Return the tensor of distributions that an output of distances is made of, None without one."""
    node = makers.get(name)
    while node is not None and node.op_type in _DECODING:
        node = makers.get(node.input[0])
    return node.input[0] if node is not None and node.op_type == "Softmax" else None


def _sigmoids(name: str, makers: "dict[str, onnx.NodeProto]") -> list[str]:
    """Return the sigmoid outputs that an output consists of."""
    found, waiting, seen = [], [name], set()
    while waiting:
        name = waiting.pop()
        node = makers.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        if node.op_type == "Sigmoid":
            found.append(node.output[0])
        elif node.op_type == "Concat":
            waiting += node.input
        elif node.op_type in MOVES:
            waiting.append(node.input[0])
    return found


def _shapes(
    model: "onnx.ModelProto", file: StrPath, sizes: Sequence[tuple[int, int]], names: Sequence[str]
) -> dict[str, list[tuple[int, ...]]]:
    """Return the shapes of tensors at each size: name to a list of tuples."""
    found: dict[str, list[tuple[int, ...]]] = {name: [] for name in names}
    for height, width in sizes:
        if min(height, width) < 1 or height * width > 1 << 24:
            raise NanodetError(f"{file}: its input is {width} x {height}: no size for images")
        made = run(model, file, np.zeros((1, 3, height, width), np.float32), names)
        for name, value in zip(names, made, strict=True):
            found[name].append(tuple(getattr(value, "shape", ())))
    return found


def _without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


def _scores(
    tensors: Iterable[str],
    shapes: dict[str, list[tuple[int, ...]]],
    sizes: Sequence[tuple[int, int]],
) -> int:
    """Return how many channels of an output the ``tensors`` after a sigmoid are."""
    counts = set()
    for name in tensors:
        output = Output(name, tuple(_without_batch(shape) for shape in shapes[name]))
        counts |= {part.channels for part in part_of(output, sizes)}
    return counts.pop() if len(counts) == 1 else 0


def _join(model: "onnx.ModelProto", form: Form, bins: dict[str, int], onnx: ModuleType) -> str:
    """Append what makes one output of 1 x points x channels; return its name."""
    add = _Appender(model, onnx)
    rows = []
    for group in form.groups:
        parts = [_as_rows(add, part, bins) for part in group]
        if not form.sigmoid:
            if len(parts) == 1:
                channels = np.arange(group[0].channels)
                split = channels[: form.classes], channels[form.classes :]
                parts = [add("Gather", parts[0], add.constant(one), axis=2) for one in split]
            parts[0] = add("Sigmoid", parts[0])
        rows.append(parts[0] if len(parts) == 1 else add("Concat", *parts, axis=2))
    return rows[0] if len(rows) == 1 else add("Concat", *rows, axis=1)


def _as_rows(add: "_Appender", part: Part, bins: dict[str, int]) -> str:
    """Append what makes an output 1 x points x channels."""
    if part.name in bins or part.axis:
        return add("Reshape", part.name, add.constant([1, -1, part.channels]))
    flat = add("Reshape", part.name, add.constant([1, part.channels, -1]))
    return add("Transpose", flat, perm=[0, 2, 1])


class _Appender:
    """Appends nodes with one output under names that are free; returns the name."""

    def __init__(self, model: "onnx.ModelProto", onnx: ModuleType) -> None:
        self.graph, self.onnx = model.graph, onnx
        self.taken = {name for node in self.graph.node for name in (*node.input, *node.output)}
        self.number = 0

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = self._free()
        self.graph.node.append(
            self.onnx.helper.make_node(kind, inputs, [name], name=name, **attributes)
        )
        return name

    def constant(self, values: ArrayLike) -> str:
        name = self._free()
        self.graph.initializer.append(
            self.onnx.numpy_helper.from_array(np.array(values, np.int64), name)
        )
        return name

    def _free(self) -> str:
        while (name := f"joined_{self.number}") in self.taken:
            self.number += 1
        self.taken.add(name)
        return name


def _rename(model: "onnx.ModelProto", old: str, new: str) -> None:
    graph = model.graph
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    if old != new and new in taken:
        _rename(model, new, f"{new}_inner")
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
    for value in (*graph.input, *graph.initializer):
        value.name = new if value.name == old else value.name


def _finish(
    model: "onnx.ModelProto",
    onnx: ModuleType,
    input_name: str,
    sides: tuple[int | None, ...],
    output_name: str,
    shape: tuple[int | None, int],
) -> None:
    """Leave what the one output needs: nodes and weights; say the shapes of input and output."""
    graph, helper = model.graph, onnx.helper
    makers = producers(model)
    needed, waiting = set(), [output_name]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += makers[name].input if name in makers else ()
    nodes = [node for node in graph.node if needed & set(node.output)]
    weights = [weight for weight in graph.initializer if weight.name in needed]
    for kept, field in ((nodes, graph.node), (weights, graph.initializer)):
        kept = [type(one).FromString(one.SerializeToString()) for one in kept]
        del field[:]
        field.extend(kept)
    del graph.value_info[:], graph.input[:], graph.output[:]
    names = [side or word for side, word in zip(sides, ("height", "width"), strict=True)]
    kind = onnx.TensorProto.FLOAT
    graph.input.append(helper.make_tensor_value_info(input_name, kind, [1, 3, *names]))
    points = [1, shape[0] or "points", shape[1]]
    graph.output.append(helper.make_tensor_value_info(output_name, kind, points))
