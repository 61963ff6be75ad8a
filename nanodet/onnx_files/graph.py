"""An ONNX file as data: what makes each tensor, and what its tensors are at a size."""

import math
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.runtime.engines.onnx import open_session
from nanodet.runtime.engines.onnx_check import check_onnx
from nanodet.text.brief import brief

if TYPE_CHECKING:
    import onnx

# what moves values to other places, or puts several side by side, without changing them
MOVES = (
    "Reshape", "Transpose", "Concat", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast",
)  # fmt: skip
_FLOAT = 1  # onnx.TensorProto.FLOAT
_MOST_VALUES = 1 << 28  # of one tensor, 1 GB; a detector's largest map has some million


def load_onnx(path: StrPath) -> "onnx.ModelProto":
    """Read an ONNX file that holds one list of operations, see `nanodet.runtime.engines.onnx_check`.

    Returns:
        an ``onnx.ModelProto`` whose weights are no inputs.

    Raises:
        NanodetError: the package onnx is missing, or the file is no such model.
    """
    onnx = import_onnx(path)
    check_onnx(path)
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf raises classes of its own
        raise NanodetError(f"{path}: not a usable ONNX model ({error})") from None
    weights = {weight.name for weight in model.graph.initializer}
    kept = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    _check_order(model, path, onnx)
    return model


def _check_order(model: "onnx.ModelProto", path: StrPath, onnx: ModuleType) -> None:
    """Raise `NanodetError` unless every tensor is made once, before it is used, of enough inputs."""
    graph = model.graph
    made = {"", *(value.name for value in (*graph.input, *graph.initializer))}
    made |= {weight.values.name for weight in graph.sparse_initializer}
    versions = {one.domain: one.version for one in model.opset_import}
    for node in graph.node:
        where = f"{path}: operation {brief(node.op_type)} {brief(node.name)}"
        try:
            schema = onnx.defs.get_schema(node.op_type, versions.get(node.domain, 1), node.domain)
            least = schema.min_input, schema.min_output
        except Exception:  # an operator that onnx does not know; its error is private to onnx
            least = int(node.op_type in MOVES or node.op_type == "Sigmoid"), 1
        if len(node.input) < least[0] or len(node.output) < max(least[1], 1):
            raise NanodetError(f"{where}: has too few inputs or outputs; export the model again")
        for name in node.input:
            if name not in made:
                raise NanodetError(f"{where}: its input {brief(name)} is made by none before it")
        for name in filter(None, node.output):
            if name in made:
                raise NanodetError(f"{where}: its output {brief(name)} is made twice")
            made.add(name)


def _check_memory(
    model: "onnx.ModelProto", file: StrPath, shape: Sequence[int], onnx: ModuleType
) -> None:
    """Refuse a graph whose tensors, as far as their shapes can be inferred, are too large to run.

    Sizes are bounded one by one: a graph may double a tensor forty times in a kilobyte.
    """
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    sides = sized.graph.input[0].type.tensor_type.shape.dim
    for side, length in zip(sides, shape, strict=True):
        side.dim_value = length
    try:
        sized = onnx.shape_inference.infer_shapes(sized)
    except Exception:  # of operators that contradict each other: the engine says which
        return
    for value in (*sized.graph.value_info, *sized.graph.output):
        dims = [side.dim_value for side in value.type.tensor_type.shape.dim]
        if not all(0 <= side <= _MOST_VALUES for side in dims) or math.prod(dims) > _MOST_VALUES:
            raise NanodetError(
                f"{file}: its tensor {brief(value.name)} would have more than {_MOST_VALUES:,} values"
            )


def import_onnx(path: StrPath) -> ModuleType:
    """Return the module ``onnx``; raise `NanodetError` that names ``path`` where there is none."""
    try:
        import onnx
    except ImportError:
        raise NanodetError(f"{path}: needs the package onnx: pip install onnx") from None
    return onnx


def input_of(model: "onnx.ModelProto", file: StrPath) -> tuple[str, tuple[int | None, ...]]:
    """Return the one input of a model that takes images, as its name and (height, width).

    A side that is not fixed is None.

    Raises:
        NanodetError: several inputs, or one that takes no image float32 (1, 3, H, W).
    """
    inputs = model.graph.input
    if len(inputs) != 1:
        raise NanodetError(f"{file}: not a NanoDet: it has {len(inputs)} inputs, not one")
    tensor = inputs[0].type.tensor_type
    sides = [
        side.dim_value if side.WhichOneof("value") == "dim_value" else None
        for side in tensor.shape.dim
    ]
    if tensor.elem_type != _FLOAT:
        raise NanodetError(f"{file}: its input {inputs[0].name} is not float32")
    if len(sides) != 4 or sides[0] not in (1, None) or sides[1] not in (3, None):
        shape = " x ".join("any" if side is None else str(side) for side in sides)
        raise NanodetError(f"{file}: its input {inputs[0].name} is {shape}, not 1 x 3 x H x W")
    return inputs[0].name, tuple(sides[2:])


def producers(model: "onnx.ModelProto") -> "dict[str, onnx.NodeProto]":
    """Return the node that makes each tensor: name of the tensor to node."""
    return {name: node for node in model.graph.node for name in node.output if name}


def constants(model: "onnx.ModelProto") -> "dict[str, onnx.TensorProto]":
    """Return the tensors with fixed values, weights and constants: name to ``TensorProto``."""
    found = {weight.name: weight for weight in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            values = [one.t for one in node.attribute if one.name == "value"]
            found.update(zip(node.output, values, strict=False))
    return found


def attributes(node: "onnx.NodeProto") -> dict[str, Any]:
    """Return the attributes of a node: name to value."""
    import onnx

    return {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}


def run(
    model: "onnx.ModelProto", file: StrPath, tensor: np.ndarray, names: Sequence[str]
) -> list[np.ndarray]:
    """Run a model in ONNX Runtime.

    Args:
        model: an ``onnx.ModelProto``.
        file: names it in messages.
        tensor: float32 (1, 3, H, W), for its one input.
        names: of the tensors to return, outputs or not.

    Returns:
        list of arrays.

    Raises:
        NanodetError: the engine cannot run it at this size.
    """
    onnx = import_onnx(file)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {value.name for value in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in set(names) - known)
    _check_memory(copy, file, np.shape(tensor), onnx)
    session = open_session(copy.SerializeToString(), file)
    try:
        return session.run(names, {copy.graph.input[0].name: np.asarray(tensor, np.float32)})
    except Exception as error:  # the engine raises classes of its own, without a common base
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise NanodetError(
            f"{file}: the network failed at {tensor.shape[3]}x{tensor.shape[2]} ({line})"
        ) from None
