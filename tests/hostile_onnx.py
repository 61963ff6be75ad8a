"""ONNX models from strangers, made of a small real one: what an engine must refuse, or run, and survive.

Engines take different files; what all must do is end with boxes or one line, never by a signal.
"""

import math

import numpy as np
import onnx
from hostile_onnx_graphs import MODELS, node_of, tensor_of
from onnx import helper, numpy_helper

_FAR = 2**62

# operator: attribute: values that the first node of it gets
ATTRIBUTES = {
    "Conv": {
        "strides": ([0, 0], [-1, -1], [_FAR, 1], [2], []),
        "dilations": ([0, 0], [-1, -1], [1000, 1000], [_FAR, _FAR]),
        "pads": ([-9, -9, -9, -9], [_FAR, 0, 0, 0], [1, 1], [60000, 60000, 60000, 60000]),
        "group": (0, -1, 2, 24, _FAR),
        "kernel_shape": ([0, 0], [5, 5], [3], [_FAR, _FAR]),
        "auto_pad": (b"SAME", b"\xff\xfe"),
    },
    "MaxPool": {
        "kernel_shape": ([0, 0], [-3, -3], [999, 999], [3, 3, 3], []),
        "strides": ([0, 0], [-2, -2], [_FAR, _FAR]),
        "pads": ([7, 7, 7, 7], [-1, -1, -1, -1], [_FAR, 0, 0, 0]),
        "dilations": ([0, 0], [_FAR, 1]),
        "storage_order": (7,),
    },
    "Concat": {"axis": (4, -9, _FAR, 2)},
    "Split": {"axis": (9, -_FAR), "num_outputs": (0, -1, 3, 1_000_000)},
    "Transpose": {"perm": ([0, 0, 0, 0, 0], [0, 1], [9, 1, 2, 3, 4], [-1, 2, 1, 3, 4])},
    "LeakyRelu": {"alpha": (math.nan, 1e38)},
    "Resize": {"mode": (b"none", b"cubic"), "coordinate_transformation_mode": (b"tf_crop_and_resize",)},
}  # fmt: skip

# name of a tensor: the values that it gets
TENSORS = {
    "val_229": ([0, 0, 0, 0], [1, 1, -2, -2], [1, 1, math.nan, 2], [1, 1, 1e9, 1e9], [1, 1, 2], []),
    "val_270": ([0, 0, 0], [-1, -1, -1], [1, 35, _FAR], [], [1, 36, -1], [_FAR, _FAR, _FAR]),
    "val_250": ([-_FAR], [99], []),
    "val_254": ([_FAR], [0], [-1]),
}


def sets(path):
    """Return name to the bytes of every ONNX file."""
    data = open(path, "rb").read()
    found = {}
    for operator, attributes in ATTRIBUTES.items():
        for name, values in attributes.items():
            for value in values:
                found[f"{operator} {name}={value}"] = _changed(data, _set, operator, name, value)
    for name, values in TENSORS.items():
        for value in values:
            found[f"{name}={value}"] = _changed(data, _fill, name, value)
    for change in MODELS:
        found[change.__doc__] = _changed(data, change)
    found |= {name: change(data) for name, change in BYTES.items()}
    return found


def _changed(data, change, *how):
    model = onnx.load_from_string(data)
    change(model, *how)
    return model.SerializeToString()


def _set(model, operator, name, value):
    node = node_of(model, operator)
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    if isinstance(value, list):
        made = helper.make_attribute(name, value, attr_type=onnx.AttributeProto.INTS)
    else:
        made = helper.make_attribute(name, value)
    node.attribute.extend([*kept, made])


def _fill(model, name, values):
    old = tensor_of(model, name)
    kind = numpy_helper.to_array(old).dtype
    old.CopyFrom(numpy_helper.from_array(np.array(values, kind), name))


BYTES = {
    "the model as it is": lambda data: data,
    "no bytes": lambda data: b"",
    "a byte": lambda data: b"\x08",
    "half of it": lambda data: data[: len(data) // 2],
    "all but a byte": lambda data: data[:-1],
    "its second half": lambda data: data[len(data) // 2 :],
    "its bytes twice": lambda data: 2 * data,
    "zeros": lambda data: bytes(10_000),
    "all ones": lambda data: b"\xff" * 10_000,
    "a length of 2 ** 63": lambda data: b"\x3a" + b"\xff" * 8 + b"\x7f" + data,
    "groups in one another": lambda data: b"\x3b" * 100_000,
    "graphs in one another": lambda data: _wrapped(),
    "text": lambda data: b"<html>404 Not Found</html>\n",
    "an ncnn graph": lambda data: b"7767517\n1 1\nInput in0 0 1 data\n",
    "a name that is not UTF-8": lambda data: data.replace(b"node_sigmoid", b"node_\xff\xfe\xc0oid"),
}


def _wrapped():
    """Return messages in one another, 200 deep, as a length-delimited field 7."""
    inner = b""
    for _ in range(200):
        length, text = len(inner), b""
        while length > 127:
            text += bytes([length % 128 + 128])
            length //= 128
        inner = b"\x3a" + text + bytes([length]) + inner
    return inner
