"""ONNX models from strangers, made of a small real one: what an engine must refuse, or run, and survive.

Engines take different files; what all must do is end with boxes or one line, never by a signal.
"""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

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


def _node(model, operator):
    return next(node for node in model.graph.node if node.op_type == operator)


def _set(model, operator, name, value):
    node = _node(model, operator)
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    if isinstance(value, list):
        made = helper.make_attribute(name, value, attr_type=onnx.AttributeProto.INTS)
    else:
        made = helper.make_attribute(name, value)
    node.attribute.extend([*kept, made])


def _tensor(model, name):
    return next(one for one in model.graph.initializer if one.name == name)


def _weights(model):
    return _tensor(model, _node(model, "Conv").input[1])


def _fill(model, name, values):
    old = _tensor(model, name)
    kind = numpy_helper.to_array(old).dtype
    old.CopyFrom(numpy_helper.from_array(np.array(values, kind), name))


def _no_nodes(model):
    """no nodes"""
    del model.graph.node[:]


def _no_graph(model):
    """no graph"""
    model.ClearField("graph")


def _no_inputs(model):
    """no inputs"""
    del model.graph.input[:]


def _no_outputs(model):
    """no outputs"""
    del model.graph.output[:]


def _no_weights(model):
    """no weights"""
    del model.graph.initializer[:]


def _reversed_nodes(model):
    """nodes before what they need"""
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _cycle(model):
    """a cycle"""
    model.graph.node[0].input[0] = model.graph.node[-2].output[0]


def _own_input(model):
    """a node that takes its own output"""
    node = _node(model, "Sigmoid")
    node.input[0] = node.output[0]


def _made_twice(model):
    """a tensor made twice"""
    model.graph.node[1].output[0] = model.graph.node[0].output[0]


def _unknown_operator(model):
    """an operator that nobody has"""
    _node(model, "Sigmoid").op_type = "Sigmoyd"


def _unknown_domain(model):
    """an operator of another domain"""
    _node(model, "Sigmoid").domain = "com.example"


def _long_operator(model):
    """an operator of 100,000 letters"""
    _node(model, "Sigmoid").op_type = "S" * 100_000


def _format_operator(model):
    """an operator that is a format"""
    _node(model, "Sigmoid").op_type = "%s%n%s%n"


def _future(model):
    """a version of the future"""
    model.ir_version = 9999


def _old(model):
    """a version of long ago"""
    model.ir_version = -1


def _future_operators(model):
    """operators of the future"""
    model.opset_import[0].version = 9999


def _old_operators(model):
    """operators of before the first"""
    model.opset_import[0].version = -5


def _no_operators(model):
    """no set of operators"""
    del model.opset_import[:]


def _short_weights(model):
    """weights of fewer bytes than their shape says"""
    _weights(model).raw_data = b"\0" * 10


def _no_bytes(model):
    """weights without bytes"""
    _weights(model).raw_data = b""


def _long_weights(model):
    """weights of more bytes than their shape says"""
    _weights(model).raw_data += bytes(1000)


def _huge_weights(model):
    """weights of a huge shape"""
    _weights(model).dims[:] = [_FAR, _FAR, 3, 3]


def _many_weights(model):
    """weights of 10 ** 13 values"""
    _weights(model).dims[:] = [10**6, 10**5, 10, 10]


def _minus_weights(model):
    """weights of a shape below zero"""
    _weights(model).dims[:] = [-24, 3, 3, 3]


def _other_channels(model):
    """weights of other channels"""
    _weights(model).dims[:] = [12, 6, 3, 3]


def _flat_weights(model):
    """weights of one dimension"""
    _weights(model).dims[:] = [648]


def _other_kind(model):
    """weights of another kind"""
    _weights(model).data_type = TensorProto.INT32


def _unknown_kind(model):
    """weights of an unknown kind"""
    _weights(model).data_type = 999


def _texts_as_weights(model):
    """weights that are texts"""
    weights = _weights(model)
    weights.CopyFrom(helper.make_tensor(weights.name, TensorProto.STRING, [2], [b"\xff", b"a"]))


def _not_finite(model):
    """weights that are NaN"""
    weights = _weights(model)
    values = np.full(tuple(weights.dims), math.nan, np.float32)
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))


def _outside(location):
    def change(model):
        weights = _weights(model)
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "2592")):
            entry = weights.external_data.add()
            entry.key, entry.value = key, value

    change.__doc__ = f"weights in another file: {location}"
    return change


def _other_input(model):
    """an input with another name"""
    model.graph.input[0].name = "image"


def _input_of_integers(model):
    """an input of integers"""
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64


def _input_of_sequences(model):
    """an input that is a sequence"""
    tensor = model.graph.input[0].type.tensor_type.elem_type
    model.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = tensor


def _flat_input(model):
    """an input of two dimensions"""
    del model.graph.input[0].type.tensor_type.shape.dim[2:]


def _minus_input(model):
    """an input of sides below zero"""
    for side in model.graph.input[0].type.tensor_type.shape.dim:
        side.dim_value = -3


def _two_inputs(model):
    """two inputs"""
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def _output_inside(model):
    """an output of another tensor"""
    model.graph.node[-1].output[0] = "boxes"
    model.graph.output[0].name = "boxes"


def _scalar_output(model):
    """an output that is one number"""
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node("ReduceMax", ["before"], ["output"], keepdims=0))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("output", TensorProto.FLOAT, None))


def _empty_output(model):
    """an output of no points"""
    model.graph.node[-1].output[0] = "before"
    for name, value in (("none", 0), ("all", 1)):
        model.graph.initializer.append(numpy_helper.from_array(np.array([value]), name))
    names = ["before", "none", "none", "all"]
    model.graph.node.append(helper.make_node("Slice", names, ["output"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("output", TensorProto.FLOAT, None))


def _filled(operator):
    """Return a change that adds 10 ** 13 numbers to what goes out."""

    def change(model):
        model.graph.node[-1].output[0] = "before"
        shape = numpy_helper.from_array(np.array([10**5, 10**4, 10**4]), "huge")
        model.graph.initializer.append(shape)
        inputs = ["huge"] if operator == "ConstantOfShape" else ["before", "huge"]
        model.graph.node.append(helper.make_node(operator, inputs, ["many"]))
        model.graph.node.append(helper.make_node("ReduceMax", ["many"], ["most"], keepdims=0))
        model.graph.node.append(helper.make_node("Add", ["before", "most"], ["output"]))

    change.__doc__ = f"{operator} of 10 ** 13 numbers"
    return change


def _chain(model):
    """500 nodes in a row"""
    last = model.graph.node[-1].output[0] = "n0"
    for n in range(1, 500):
        model.graph.node.append(helper.make_node("Neg", [last], [f"n{n}"]))
        last = f"n{n}"
    model.graph.node.append(helper.make_node("Identity", [last], ["output"]))


def _nested(model):
    """20 graphs in one another"""
    made = helper.make_tensor_value_info("made", TensorProto.FLOAT, None)
    node = helper.make_node("Neg", ["before"], ["made"])
    for depth in range(20):
        branch = helper.make_graph([node], f"g{depth}", [], [made])
        node = helper.make_node(
            "If", ["yes"], ["made"], then_branch=branch, else_branch=_copy(made)
        )
    model.graph.node[-1].output[0] = "before"
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    node.output[0] = "output"
    model.graph.node.append(node)


def _copy(made):
    return helper.make_graph([helper.make_node("Neg", ["before"], ["made"])], "g", [], [made])


def _bad_names(model):
    """names that are formats"""
    for node in model.graph.node:
        node.name = "%s%n" * 20


def _no_names(model):
    """nodes without inputs and outputs"""
    for node in model.graph.node:
        if node.op_type == "LeakyRelu":
            del node.input[:], node.output[:]


def _metadata(text, name):
    def change(model):
        helper.set_model_props(model, {"nanodet": text})

    change.__doc__ = f"a spec that is {name}"
    return change


MODELS = [
    _no_nodes, _no_graph, _no_inputs, _no_outputs, _no_weights, _reversed_nodes, _cycle, _own_input,
    _made_twice, _unknown_operator, _unknown_domain, _long_operator, _format_operator, _future, _old,
    _future_operators, _old_operators, _no_operators, _short_weights, _no_bytes, _long_weights,
    _huge_weights, _many_weights, _minus_weights, _other_channels, _flat_weights, _other_kind,
    _unknown_kind, _texts_as_weights, _not_finite, _outside("/etc/passwd"), _outside("../../w.bin"),
    _outside("m.onnx"), _other_input, _input_of_integers, _input_of_sequences, _flat_input, _minus_input,
    _two_inputs, _output_inside, _scalar_output, _empty_output, _filled("ConstantOfShape"),
    _filled("Expand"), _chain, _nested, _bad_names, _no_names, _metadata("", "empty"),
    _metadata("{", "no JSON"), _metadata("[" * 100_000, "deep"), _metadata('{"format": 1}', "short"),
]  # fmt: skip

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
