"""ONNX files of strangers: a real one's network, and what makes it run for ever or open other files."""

import copy

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ENDLESS = 2**62


def hostile_models(path):
    """Return name to (model, words of the refusal), made of the exported file at ``path``."""
    made = {}
    for name, (nodes, words) in _behind().items():
        made[name] = _with_nodes(onnx.load(path), nodes), words
    made["function"] = _with_function(onnx.load(path)), "defines functions"
    training = onnx.load(path)
    training.training_info.add().algorithm.name = "more"
    made["training"] = training, "has graphs for training"
    for place in ("/dev/zero", "../other.bin", "pipe", "/proc/self/mem"):
        model = onnx.load(path)
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)
        made[f"values in {place}"] = model, "has values in another file"
    return made


def damaged_files(path):
    """Return name to the bytes of a file that is no ONNX file."""
    whole = path.read_bytes()
    return {
        "empty": b"",
        "text": b"<?xml version='1.0'?><net/>",
        "cut": whole[: len(whole) // 2],
        "group": whole + b"\x0b",
        "long number": whole + b"\x3a" + b"\xff" * 12,
        "number that engines cut to 32 bits": whole + b"\xba\x80\x80\x80\x10\x00",
        "number 0": whole + b"\x02\x00",
        "many fields": whole + b"\x3a\x00" * 3_000_000,
    }


def _graph(name, nodes, inputs, outputs):
    def told(values):
        return [helper.make_tensor_value_info(n, kind, shape) for n, kind, shape in values]

    return helper.make_graph(nodes, name, told(inputs), told(outputs))


def _constant(name, value):
    array = np.asarray(value)
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name))


def _loop(body, name="loop"):
    steps, on = f"{name}_steps", f"{name}_on"
    return [
        _constant(steps, np.int64(ENDLESS)), _constant(on, True),
        helper.make_node("Loop", [steps, on, "before"], ["output"], body=body),
    ]  # fmt: skip


def _body(name, nodes):
    value = TensorProto.FLOAT, None
    return _graph(
        name, [helper.make_node("Identity", ["on_in"], ["on_out"]), *nodes],
        [("i", TensorProto.INT64, []), ("on_in", TensorProto.BOOL, []), ("value_in", *value)],
        [("on_out", TensorProto.BOOL, []), ("value_out", *value)],
    )  # fmt: skip


def _behind():
    """Return name to (nodes from ``before`` to ``output``, words of the refusal)."""
    add = helper.make_node("Add", ["value_in", "value_in"], ["value_out"])
    endless = _body("endless", [add])
    inner = _loop(copy.deepcopy(endless))
    inner[-1].input[2], inner[-1].output[0] = "value_in", "value_out"
    branch = _graph(
        "branch", [helper.make_node("Identity", ["before"], ["chosen"])],
        [], [("chosen", TensorProto.FLOAT, None)],
    )  # fmt: skip
    step = _graph(
        "step", [helper.make_node("Identity", ["x"], ["y"])],
        [("x", TensorProto.FLOAT, None)], [("y", TensorProto.FLOAT, None)],
    )  # fmt: skip
    words = "contains a subgraph"
    return {
        "endless loop": (_loop(endless), f"operation 'Loop' {words}"),
        "nested loops": (_loop(_body("outer", inner)), f"operation 'Loop' {words}"),
        "branch": ([
            _constant("on", True),
            helper.make_node("If", ["on"], ["output"], then_branch=branch, else_branch=branch),
        ], f"operation 'If' {words}"),
        "scan": ([helper.make_node(
            "Scan", ["before"], ["output"], body=step, num_scan_inputs=1,
        )], f"operation 'Scan' {words}"),
        "sequence map": ([
            helper.make_node("SequenceConstruct", ["before"], ["sequence"]),
            helper.make_node("SequenceMap", ["sequence"], ["mapped"], body=step),
            _constant("first", np.int64(0)),
            helper.make_node("SequenceAt", ["mapped", "first"], ["output"]),
        ], f"operation 'SequenceMap' {words}"),
        "graph in an unknown operation": ([helper.make_node(
            "BeamSearch", ["before"], ["output"], domain="com.microsoft", decoder=step,
        )], f"operation 'BeamSearch' {words}"),
    }  # fmt: skip


def _with_nodes(model, nodes):
    for node in model.graph.node:
        node.output[:] = ["before" if name == "output" else name for name in node.output]
    model.graph.node.extend(nodes)
    return model


def _with_function(model):
    domain = "local"
    function = helper.make_function(
        domain, "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])],
        [helper.make_opsetid("", model.opset_import[0].version)],
    )  # fmt: skip
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid(domain, 1))
    return _with_nodes(model, [helper.make_node("Twice", ["before"], ["output"], domain=domain)])
