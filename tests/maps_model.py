"""Model files of the layout ``maps`` that are one convolution per level, made without torch and pnnx."""

import dataclasses

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from specs import NANODET_M

from nanodet.files.files import sha256
from nanodet.onnx_files.metadata import write_spec
from nanodet.runtime.spec import Spec

SPEC = Spec(
    class_names=("a", "b", "c"), input_size=(96, 64), fit="stretch", any_size=True, layout="maps",
    score=0.3, **NANODET_M,
)  # fmt: skip


def weights_of(spec, seed=0):
    """Return (weight, bias) of each level; kernels are as large as the stride."""
    random = np.random.default_rng(seed)
    return [
        (
            random.normal(0, 3 / stride, (spec.channels, 3, stride, stride)).astype(np.float32),
            random.normal(-1, 0.5, spec.channels).astype(np.float32),
        )
        for stride in spec.strides
    ]


def maps_of(spec, weights, tensor):
    """Return what the models give for a float32 (1, 3, H, W)."""
    made = []
    for stride, (weight, bias) in zip(spec.strides, weights, strict=True):
        _, _, height, width = tensor.shape
        cells = tensor[0].reshape(3, height // stride, stride, width // stride, stride)
        made.append(np.einsum("crsxt,ocst->orx", cells, weight) + bias[:, None, None])
    return made


def write_ncnn(param, spec=SPEC, weights=None, names=None):
    """Write a ``.param``, its ``.bin`` and its spec; ``names`` replaces those of the outputs."""
    weights = weights or weights_of(spec)
    names = names or spec.output_names
    count = len(weights)
    parts = [f"part_{i}" for i in range(count)]
    lines = [
        f"Input {spec.input_name} 0 1 {spec.input_name}",
        f"Split split 1 {count} {spec.input_name} {' '.join(parts)}",
    ]
    data = b""
    for i, (weight, bias) in enumerate(weights):
        outputs, _, side, _ = weight.shape
        lines.append(
            f"Convolution conv_{i} 1 1 {parts[i]} {names[i]} 0={outputs} 1={side} 11={side} 3={side} "
            f"13={side} 5=1 6={weight.size}"
        )
        data += bytes(4) + weight.tobytes() + bias.tobytes()
    blobs = 1 + 2 * count
    param.write_text("\n".join(["7767517", f"{len(lines)} {blobs}", *lines]) + "\n")
    param.with_suffix(".bin").write_bytes(data)
    files = {one.name: sha256(one) for one in (param, param.with_suffix(".bin"))}
    dataclasses.replace(spec, files=files).save(param.with_suffix(".json"))
    return param


def write_onnx(path, spec=SPEC, weights=None, names=None, after=()):
    """Write an ONNX file with its spec inside; return the path.

    ``names`` replaces those of the outputs; ``after``: nodes from ``made_0`` to the first output.
    """
    weights = weights or weights_of(spec)
    names = list(names or spec.output_names)
    nodes, constants = list(after), []
    for i, (weight, bias) in enumerate(weights):
        side = weight.shape[-1]
        made = "made_0" if i == 0 and after else names[i]
        constants += [
            numpy_helper.from_array(weight, f"w{i}"),
            numpy_helper.from_array(bias, f"b{i}"),
        ]
        inputs, sides = [spec.input_name, f"w{i}", f"b{i}"], [side, side]
        nodes.append(helper.make_node("Conv", inputs, [made], kernel_shape=sides, strides=sides))
    nodes = [*nodes[len(after) :], *nodes[: len(after)]]
    sides = [spec.batch, 3, "height", "width"]
    outputs = [(name, TensorProto.FLOAT, [spec.batch, None, None, None]) for name in names]
    graph = helper.make_graph(
        nodes, "maps",
        [helper.make_tensor_value_info(spec.input_name, TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info(*one) for one in outputs],
        constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    write_spec(path, spec)
    return path
