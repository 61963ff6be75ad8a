"""The layers of an ONNX file; see `nanodet.verify.trace`."""

from typing import Any

import numpy as np
import onnx
import onnxruntime

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.incoming import published
from nanodet.runtime.engines.backend import Backend
from nanodet.verify.trace import Convolution, Traced


def convolutions(backend: Backend) -> list[Convolution]:
    """See `nanodet.verify.trace.convolutions`."""
    model, found = _load(backend.path), []
    weights = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Conv" or any(name not in weights for name in node.input[1:]):
            continue
        weight = weights[node.input[1]]
        if weight.ndim != 4:
            continue
        bias = weights[node.input[2]] if len(node.input) > 2 else np.zeros(len(weight))
        given = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        settings = {
            "stride": tuple(given.get("strides", (1, 1))),
            "padding": tuple(given.get("pads", (0, 0)))[:2],
            "dilation": tuple(given.get("dilations", (1, 1))),
            "groups": given.get("group", 1),
        }
        rounding = np.abs(weight) * 2.0**-11 if weight.dtype == np.float16 else 0.0
        found.append(
            Convolution(
                _name(node),
                source=node.input[0],
                output=node.output[0],
                weight=weight.astype(np.float32),
                bias=bias.astype(np.float32),
                rounding=rounding,
                settings=settings,
            )
        )
    return found


def values(backend: Backend, tensor: np.ndarray) -> dict[str, Traced]:
    """See `nanodet.verify.trace.values`."""
    model = _load(backend.path)
    given = {value.name for value in model.graph.output}
    made = [name for node in model.graph.node for name in node.output if name]
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in made if n not in given)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors are raised as well
    # fused layers would hide the values between them
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    spec = backend.spec
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        arrays = dict(zip(made, session.run(made, {spec.input_name: tensor}), strict=True))
    except Exception as error:  # ONNX Runtime's exceptions have no common base class
        raise NanodetError(f"{backend.path}: cannot be run layer by layer ({error})") from None
    found = {spec.input_name: Traced(spec.input_name, "Input", (), tensor.ravel())}
    for node in model.graph.node:
        for name in filter(None, node.output):
            array = arrays[name]
            floating = isinstance(array, np.ndarray) and array.dtype == np.float32
            inputs = tuple(one for one in node.input if one in found)
            found[name] = Traced(
                _name(node), node.op_type, inputs, array.ravel() if floating else None
            )
    return found


def _load(path: StrPath) -> Any:
    try:
        return onnx.load(published(path))
    except Exception as error:  # protobuf's exceptions have no common base class
        raise NanodetError(f"{path}: cannot be parsed ({error})") from None


def _name(node: Any) -> str:
    return node.name or node.output[0]
