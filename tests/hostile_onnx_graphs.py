"""Changes to an ONNX model that leave a graph which no exporter writes; see `hostile_onnx`."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def node_of(model, operator):
    """Return the first node of an operator."""
    return next(node for node in model.graph.node if node.op_type == operator)


def tensor_of(model, name):
    """Return the tensor of a name."""
    return next(one for one in model.graph.initializer if one.name == name)


def _weights(model):
    return tensor_of(model, node_of(model, "Conv").input[1])


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
    node = node_of(model, "Sigmoid")
    node.input[0] = node.output[0]


def _made_twice(model):
    """a tensor made twice"""
    model.graph.node[1].output[0] = model.graph.node[0].output[0]


def _unknown_operator(model):
    """an operator that nobody has"""
    node_of(model, "Sigmoid").op_type = "Sigmoyd"


def _unknown_domain(model):
    """an operator of another domain"""
    node_of(model, "Sigmoid").domain = "com.example"


def _long_operator(model):
    """an operator of 100,000 letters"""
    node_of(model, "Sigmoid").op_type = "S" * 100_000


def _format_operator(model):
    """an operator that is a format"""
    node_of(model, "Sigmoid").op_type = "%s%n%s%n"


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
    _weights(model).dims[:] = [2**62, 2**62, 3, 3]


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
    values = np.full(tuple(weights.dims), np.nan, np.float32)
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


# each says in its docstring what it makes
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
