"""A real ONNX model that needs no training: one box whose confidence follows the brightness."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from specs import NANODET_M

from nanodet.runtime.spec import ONNX_METADATA_KEY, Spec

SIZE = (64, 64)
BOX = (12 / 64, 12 / 64, 44 / 64, 44 / 64)  # of the image's width and height, fit stretch
POINT, BIN = 27, 2  # row 3, column 3 of stride 8; every edge two strides away


def write_box_model(path, names=("dark", "lamp"), bins=BIN):
    """Write the model; its confidence is 0.5 + 0.15 mean(network input), class ``lamp``.

    Several ``bins`` around `BIN` make each edge a distribution over them, with the same mean.
    """
    spec = Spec(names, SIZE, fit="stretch", **NANODET_M)
    values = np.zeros((1, spec.point_count(SIZE), spec.channels), np.float32)
    values[0, POINT, 2:].reshape(4, 8)[:, bins] = 50
    values[0, POINT, 1] = 0.5
    slope = np.zeros_like(values)
    slope[0, POINT, 1] = 0.15
    nodes = [
        helper.make_node("ReduceMean", ["data"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "slope"], ["change"]),
        helper.make_node("Add", ["change", "values"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "box",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, (1, 3, *SIZE))],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, values.shape)],
        [numpy_helper.from_array(values, "values"), numpy_helper.from_array(slope, "slope")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {ONNX_METADATA_KEY: json.dumps(spec.to_dict())})
    onnx.save(model, str(path))
    return path
