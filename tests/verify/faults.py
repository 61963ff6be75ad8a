"""Plants faults into a copy of an export."""

import json
import shutil
from dataclasses import replace

import numpy as np

from nanodet.files.files import sha256
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.weights import load_weights, weights_to_bytes


def copy_export(exported, folder):
    """Copy an `Exported` into ``folder``."""
    shutil.copytree(next(iter(exported.files.values())).parent.parent, folder)
    return folder


def edit_spec(path, **keys):
    """Change keys such as ``input__mean`` in a JSON spec."""
    mapping = json.loads(path.read_text())
    for key, value in keys.items():
        *above, last = key.split("__")
        inner = mapping
        for part in above:
            inner = inner[part]
        inner[last] = value
    path.write_text(json.dumps(mapping))


def edit_onnx_spec(path, **keys):
    """Change keys of the spec that an ONNX file carries inside."""
    import onnx

    model = onnx.load(path)
    (entry,) = (one for one in model.metadata_props if one.key == "nanodet")
    beside = path.with_suffix(".tmp")
    beside.write_text(entry.value)
    edit_spec(beside, **keys)
    entry.value = beside.read_text()
    beside.unlink()
    onnx.save(model, path)


def edit_weights(param, change):
    """Call ``change(weights, graph)`` with a model's weights, and write what it leaves."""
    graph = Graph.load(param)
    weights = load_weights(param.with_suffix(".bin"), graph, param)
    change(weights, graph)
    param.with_suffix(".bin").write_bytes(weights_to_bytes(graph, weights))


def edit_graph(param, change):
    """Call ``change(layers by name)`` and write the graph."""
    graph = Graph.load(param)
    change({layer.name: layer for layer in graph.layers})
    param.write_text(graph.to_text())


def update_hashes(param):
    """Let the spec vouch for the files as they are now."""
    path = param.with_suffix(".json")
    mapping = json.loads(path.read_text())
    for name in mapping["files"]:
        mapping["files"][name] = sha256(path.with_name(name))
    path.write_text(json.dumps(mapping))


def one_weight(layer, index=7, by=0.1):
    """Return a change of one weight of one layer."""

    def change(weights, graph):
        stored = weights[layer]["weight"]
        data = stored.data.copy()
        data[index] += data.dtype.type(by)
        weights[layer]["weight"] = replace(stored, data=data)

    return change


def flip_weight(layer, index):
    """Return a change of one int8 weight to the far end of its range."""

    def change(weights, graph):
        data = weights[layer]["weight"].data
        data[index] = -127 if data[index] > 0 else 127

    return change


def swap_channels(layer, outputs):
    """Return a change that swaps the three input channels of a 3 x 3 convolution."""

    def change(weights, graph):
        stored = weights[layer]["weight"]
        data = stored.data.reshape(outputs, 3, 3, 3)[:, ::-1].ravel().copy()
        weights[layer]["weight"] = replace(stored, data=data)

    return change


def quantise(param, target, only=None):
    """Write a crude int8 form of an fp32 model: weights per channel, activations up to 6.

    ``only`` names the one layer to quantise.
    """
    graph = Graph.load(param)
    weights = load_weights(param.with_suffix(".bin"), graph, param)
    from nanodet.ncnn_files.weights import Stored

    for layer in graph.layers:
        if layer.kind != "Convolution" or layer.whole(1) != 1 or only not in (None, layer.name):
            continue
        values = weights[layer.name]["weight"].values.reshape(layer.whole(0), -1)
        scales = (127 / np.maximum(np.abs(values).max(axis=1), 1e-6)).astype(np.float32)
        whole = np.clip(np.round(values * scales[:, None]), -127, 127).astype(np.int8)
        layer.values[8] = "2"
        weights[layer.name] = {
            "weight": Stored("int8", whole.ravel()),
            "bias": weights[layer.name]["bias"],
            "weight_scales": Stored("plain", scales),
            "input_scale": Stored("plain", np.array([127 / 6], np.float32)),
        }
    target.write_text(graph.to_text())
    target.with_suffix(".bin").write_bytes(weights_to_bytes(graph, weights))
    mapping = json.loads(param.with_suffix(".json").read_text())
    mapping["files"] = {target.name: "", target.with_suffix(".bin").name: ""}
    target.with_suffix(".json").write_text(json.dumps(mapping))
    update_hashes(target)
