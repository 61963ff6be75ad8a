"""The convolutions of an ONNX model in the order of its data flow, and their weights."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.ncnn_files.flow import NO_ACTIVATION, Convolution, in_flow_order, leaky, shape_text
from nanodet.onnx_files.graph import attributes, constants, import_onnx, producers

if TYPE_CHECKING:
    import onnx

_COMMUTE = ("Add", "Mul", "Sum")
_JOIN = ("Concat", *_COMMUTE)  # all their inputs are maps; of other nodes the first is
# any of these directly after a convolution means that it has no activation
_NEXT = (
    "Conv",
    "Concat",
    "Reshape",
    "Transpose",
    "Slice",
    "Split",
    "Resize",
    "Upsample",
    "MaxPool",
)


class _Entrance:
    """Stands for the input, which no node makes."""

    op_type, input = "", ()


def convolutions(model: "onnx.ModelProto") -> list[Convolution]:
    """Return the `Convolution`s of an ``onnx.ModelProto`` with one output."""
    made_by, fixed = producers(model), constants(model)
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)

    makers: dict[str, Any] = {value.name: _Entrance() for value in model.graph.input} | made_by

    def inputs_of(node: Any) -> list[Any]:
        names = node.input if node.op_type in _JOIN else node.input[:1]
        return [makers[name] for name in names if name in makers and name not in fixed]

    order = in_flow_order(
        [makers[model.graph.output[0].name]],
        inputs_of,
        lambda node: _shape(node, fixed) if node.op_type == "Conv" else None,
        lambda node: node.op_type in _COMMUTE,
    )
    return [
        Convolution(
            node.output[0], _shape(node, fixed), _activation(node, consumers, fixed), node.input[0]
        )
        for node in order
        if node.op_type == "Conv"
    ]


def weights_of(
    model: "onnx.ModelProto", file: StrPath
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Return the weights of the convolutions: name to (weight (out, in, kh, kw), bias (out,) or None).

    Raises:
        NanodetError: a weight is not in the file as floating point.
    """
    onnx, fixed = import_onnx(file), constants(model)
    found: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        arrays: list[Any] = []
        for name in node.input[1:]:
            if name and name not in fixed:
                raise NanodetError(
                    f"{file}: node {node.name or node.output[0]}: its weights are computed, as in quantised "
                    "files: too coarse to train on; the floating-point file of this model is needed"
                )
            array = onnx.numpy_helper.to_array(fixed[name]) if name else None
            if array is not None and not np.isfinite(array).all():
                raise NanodetError(f"{file}: {name}: holds values that are not finite numbers")
            arrays.append(None if array is None else array.astype(np.float32))
        weight, bias = (*arrays, None)[:2]
        found[node.output[0]] = (weight, bias)
    return found


def _shape(node: "onnx.NodeProto", fixed: "dict[str, onnx.TensorProto]") -> str:
    values = attributes(node)
    weight = fixed.get(node.input[1])
    sides = list(weight.dims) if weight is not None else [0, 0, 0, 0]
    if len(sides) != 4:
        return f"{len(sides)}-dimensional"
    groups = values.get("group", 1)
    strides = tuple(values.get("strides", (1, 1)))
    return shape_text(sides[1] * groups, sides[0], sides[2:], strides, groups)


def _activation(
    node: "onnx.NodeProto",
    consumers: "dict[str, list[onnx.NodeProto]]",
    fixed: "dict[str, onnx.TensorProto]",
) -> str | None:
    after = consumers.get(node.output[0], [])
    if not after or any(one.op_type in _NEXT for one in after):
        return NO_ACTIVATION
    if len(after) > 1:
        return None
    (after,) = after
    if after.op_type == "LeakyRelu":
        return leaky(attributes(after).get("alpha", 0.01))
    if after.op_type == "Clip" and _limits(after, fixed) == (0.0, 6.0):
        return "ReLU6"
    return {"Relu": "ReLU", "HardSwish": "HardSwish"}.get(after.op_type)


def _limits(
    node: "onnx.NodeProto", fixed: "dict[str, onnx.TensorProto]"
) -> tuple[float | None, ...]:
    values = attributes(node)
    if "min" in values:
        return values["min"], values.get("max")
    import onnx

    arrays = [onnx.numpy_helper.to_array(fixed[name]) for name in node.input[1:] if name in fixed]
    return tuple(float(array) for array in arrays)
