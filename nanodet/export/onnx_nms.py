"""An ONNX file that ends in boxes: decoding and NMS as nodes after the network's own.

The nodes are standard ONNX operators and do what `nanodet.runtime.decode.decode` does: the best
pairs of point and class of each level, distances of edges by the form, NMS within each class or over
all, the best boxes of the image. Levels are laid out for the size of the input, so every size works that the
network takes.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, DTypeLike
from onnx import TensorProto, helper, numpy_helper

from nanodet.onnx_files.metadata import QUALITY, write_spec
from nanodet.runtime import box_codes
from nanodet.runtime.engines.onnx import IOU_INPUT, SCORE_INPUT
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import Spec


def boxes_spec(spec: Spec) -> Spec:
    """Return the `Spec` of the model with boxes that belongs to a model with another form."""
    return dataclasses.replace(
        spec,
        form="boxes",
        layout="rows",
        bin_spacing=1.0,
        quality=None,
        output_name="boxes",
        class_scores=None if spec.class_agnostic_nms else spec.class_scores,
        files={},
    )


def write(source: str | Path, path: str | Path, spec: Spec) -> None:
    """Write the ONNX file ``source``, with boxes at its end, to ``path``.

    Args:
        source: an ONNX file whose output is that of `nanodet.runtime.engines.backend.Backend`.
        path: the file to write; its spec is inside.
        spec: of ``source``.

    Outputs of the new file, best first: ``boxes`` float32 (N, 4), ``xyxy`` in network pixels, not
    clipped; ``scores`` float32 (N,); ``labels`` int64 (N,). `SCORE_INPUT` and `IOU_INPUT` are inputs
    of float32 () that need not be given: the spec's thresholds are their defaults.
    """
    model = onnx.load(source)
    points, spec = spec, boxes_spec(spec)
    raw = model.graph.output[0].name
    del model.graph.output[:]
    nodes = _Nodes(model.graph)
    data = model.graph.input[0].name
    for name, value in ((SCORE_INPUT, spec.score), (IOU_INPUT, spec.nms_iou)):
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ()))
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    boxes, scores = _decode(nodes, data, raw, points)
    select = _select_over_all if spec.class_agnostic_nms else _select
    select(nodes, boxes, scores, spec)
    for name, kind, shape in (
        (spec.output_name, TensorProto.FLOAT, ("found", 4)),
        (spec.scores_name, TensorProto.FLOAT, ("found",)),
        (spec.labels_name, TensorProto.INT64, ("found",)),
    ):
        model.graph.output.append(helper.make_tensor_value_info(name, kind, shape))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    write_spec(path, spec)


class _Nodes:
    """Adds nodes and constants to a graph under names of their own."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph, self.count = graph, 0

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; return the name of its output, or names."""
        self.count += 1
        names = [f"nms/{kind}_{self.count}_{n}" for n in range(outputs)]
        self.graph.node.append(helper.make_node(kind, inputs, names, names[0], **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: ArrayLike, kind: DTypeLike = np.int64) -> str:
        """Add a constant, a number or a list."""
        self.count += 1
        name = f"nms/constant_{self.count}"
        self.graph.initializer.append(numpy_helper.from_array(np.array(value, kind), name))
        return name

    def named(self, name: str, value: ArrayLike) -> str:
        """Add float32 numbers under a given name."""
        self.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def call(self, name: str, kind: str, *inputs: str, **attributes: Any) -> None:
        """Add a node whose output has a given name."""
        self.graph.node.append(helper.make_node(kind, inputs, [name], f"nms/{name}", **attributes))


def _decode(nodes: _Nodes, data: str, raw: str, spec: Spec) -> tuple[str, str]:
    """Add what makes boxes (1, points, 4) and scores (1, classes, points) of the raw output.

    Scores below the best ``per_level`` pairs of a level are -1.
    """
    add, constant = nodes.add, nodes.constant
    classes = len(spec.class_names)
    zero, one = constant([0]), constant([1])
    flat = add("Squeeze", raw, zero)
    scores = add("Slice", flat, zero, constant([classes]), one)
    values = add("Slice", flat, constant([classes]), constant([spec.channels]), one)
    if spec.quality is not None:
        scores = add("Mul", scores, _quality(nodes, values, spec.quality))
    distances = DISTANCES[spec.form](nodes, values, spec)

    shape = add("Shape", data)
    height, width = (add("Gather", shape, constant(axis)) for axis in (2, 3))
    places, units, kept, start = [], [], [], constant([0])
    for stride in spec.strides:
        columns, rows = (
            add("Div", add("Add", side, constant(stride - 1)), constant(stride))
            for side in (width, height)
        )
        count = add("Mul", columns, rows)
        number = add("Range", constant(0), count, constant(1))
        at = [add("Mod", number, columns), add("Div", number, columns)]
        at = [
            add("Mul", add("Add", add("Cast", one_axis, to=TensorProto.FLOAT),
                           constant(spec.point_offset, np.float32)), constant(stride, np.float32))
            for one_axis in at
        ]  # fmt: skip
        places.append(add("Concat", *(add("Unsqueeze", x, one) for x in at), axis=1))
        count = add("Unsqueeze", count, zero)
        unit = constant([[stride]], np.float32)
        units.append(add("Expand", unit, add("Concat", count, one, axis=0)))
        end = add("Add", start, count)
        kept.append(_best(nodes, add("Slice", scores, start, end, zero), spec))
        start = end
    place, unit = (add("Concat", *parts, axis=0) for parts in (places, units))
    near, far = add("Split", add("Mul", distances, unit), axis=1, outputs=2, num_outputs=2)
    corners = add("Sub", place, near), add("Add", place, far)
    boxes = add("Unsqueeze", add("Concat", *corners, axis=1), zero)
    scores = add("Unsqueeze", add("Concat", *kept, axis=0), zero)
    return boxes, add("Transpose", scores, perm=[0, 2, 1])


def _expectations(nodes: _Nodes, values: str, spec: Spec) -> str:
    """Add the distances in strides (points, 4) of values of the form `distributions`."""
    add, constant, bins = nodes.add, nodes.constant, spec.bins
    share = add("Softmax", add("Reshape", values, constant([-1, 4, bins.count])), axis=2)
    return add("MatMul", share, constant(bins.values(), np.float32))


def _softplus(nodes: _Nodes, values: str, spec: Spec) -> str:
    """Add the same of the forms `distances` and `gaussians`: the first four values are the edges."""
    constant = nodes.constant
    first = nodes.add("Slice", values, constant([0]), constant([4]), constant([1]))
    return nodes.add("Min", nodes.add("Softplus", first), constant(box_codes.FARTHEST, np.float32))


DISTANCES = {
    box_codes.DISTRIBUTIONS: _expectations,
    box_codes.DISTANCES: _softplus,
    box_codes.GAUSSIANS: _softplus,
}


def _quality(nodes: _Nodes, values: str, quality: QualityPredictor) -> str:
    """Add the predictor of the quality (points, 1) from the logits of the distributions."""
    add, constant = nodes.add, nodes.constant
    share = add("Softmax", add("Reshape", values, constant([0, 4, -1])), axis=2)
    largest, _ = add("TopK", share, constant([quality.topk]), axis=2, outputs=2)
    mean = add("ReduceMean", largest, constant([2]), keepdims=1)
    features = 4 * (quality.topk + 1)
    x = add("Reshape", add("Concat", largest, mean, axis=2), constant([-1, features]))
    sizes = {"hidden_weight": (quality.hidden, features), "output_weight": (1, quality.hidden)}
    for layer in ("hidden", "output"):
        weight, bias = (
            nodes.named(f"{QUALITY}/{layer}_{kind}", getattr(quality, f"{layer}_{kind}"))
            for kind in ("weight", "bias")
        )
        weight = add("Reshape", weight, constant(sizes[f"{layer}_weight"]))
        x = add("Gemm", x, weight, add("Reshape", bias, constant([-1])), transB=1)
        x = add("Relu" if layer == "hidden" else "Sigmoid", x)
    return x


def _best(nodes: _Nodes, scores: str, spec: Spec) -> str:
    """Add what keeps the best pairs of one level (points, classes); the others become -1."""
    add, constant = nodes.add, nodes.constant
    flat = add("Reshape", scores, constant([-1]))
    most = add("Min", add("Shape", flat), constant([spec.per_level]))
    values, indices = add("TopK", flat, most, outputs=2)
    empty = add("ConstantOfShape", add("Shape", flat), value=_tensor(-1.0))
    kept = add("ScatterElements", empty, indices, values)
    return add("Reshape", kept, add("Shape", scores))


def _select(nodes: _Nodes, boxes: str, scores: str, spec: Spec) -> None:
    """Add NMS within each class and the choice of the best boxes, up to the outputs."""
    add, constant = nodes.add, nodes.constant
    label, point = _suppress(nodes, boxes, scores, spec)
    minus = constant([-1])
    nodes.call(spec.output_name, "Gather", add("Squeeze", boxes, constant([0])),
               add("Reshape", point, minus))  # fmt: skip
    nodes.call(spec.labels_name, "Reshape", label, minus)


def _select_over_all(nodes: _Nodes, boxes: str, scores: str, spec: Spec) -> None:
    """Add NMS over the boxes of all classes, as `_select`: each pair is a box of one class."""
    add, constant = nodes.add, nodes.constant
    minus, classes = constant([-1]), constant(len(spec.class_names))
    pairs = add("Reshape", add("Transpose", scores, perm=[0, 2, 1]), minus)  # point by point
    most = constant([spec.per_level * len(spec.strides)])
    scores, pair = add("TopK", pairs, add("Min", add("Shape", pairs), most), outputs=2)
    boxes = add("Gather", boxes, add("Div", pair, classes), axis=1)
    scores = add("Unsqueeze", scores, constant([0, 1]))
    _, place = _suppress(nodes, boxes, scores, spec)
    place = add("Reshape", place, minus)
    nodes.call(spec.output_name, "Gather", add("Squeeze", boxes, constant([0])), place)
    nodes.call(spec.labels_name, "Gather", add("Mod", pair, classes), place)


def _suppress(nodes: _Nodes, boxes: str, scores: str, spec: Spec) -> tuple[str, str]:
    """Add NMS and the choice of the best, up to the output of scores; return class and place (N, 1)."""
    add = nodes.add
    limit = nodes.constant([spec.per_picture])
    found = add("NonMaxSuppression", boxes, scores, limit, IOU_INPUT, SCORE_INPUT)
    confidence = add("GatherND", scores, found)
    count = add("Min", add("Shape", confidence), limit)
    _, order = add("TopK", confidence, count, outputs=2)
    nodes.call(spec.scores_name, "Gather", confidence, order)
    best = add("Gather", found, order)  # (N, 3): batch, class, place
    _, label, place = add("Split", best, axis=1, outputs=3, num_outputs=3)
    return label, place


def _tensor(value: float) -> onnx.TensorProto:
    return helper.make_tensor("value", TensorProto.FLOAT, [1], [value])
