"""Model files as other converters write them, made of the small NanoDet of the tests.

It has 3 classes and reg_max 7.
Styles of outputs: ``six`` (scores after sigmoid and distributions per level, points x channels),
``logits`` (the same before sigmoid), ``three`` (per level, both in one, before sigmoid), ``maps`` (scores
channels first, distributions channels last), ``columns`` (one, channels x points), ``two`` (all scores,
all distributions).
"""

import warnings
from pathlib import Path

import numpy as np

from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.shapes import blob_shapes

CLASSES, CHANNELS = 3, 35
SIZE = (160, 96)
LEVELS = [(12, 20), (6, 10), (3, 5)]
STYLES = ("six", "logits", "three", "maps", "columns", "two")


def write_ncnn(exported, folder, style, fixed=False):
    """Write an ncnn model of a style; return its ``.param``.

    Args:
        exported: the ``.param`` of `exported_small`.
        fixed: whether resizing is to fixed sizes, for `SIZE` alone.
    """
    param = Path(folder) / f"{style}{'-fixed' * fixed}.param"
    graph = Graph.load(exported)
    cut = next(i for i, layer in enumerate(graph.layers) if layer.inputs[1:] and layer.kind == "Concat"
               and all(graph.producers()[blob].kind == "Reshape" for blob in layer.inputs))  # fmt: skip
    levels = graph.layers[cut].inputs
    if style == "maps":
        reshapes = [graph.producers()[blob] for blob in levels]
        levels = [layer.inputs[0] for layer in reshapes]
        graph.layers = [layer for layer in graph.layers[:cut] if layer not in reshapes]
    elif style != "columns":
        graph.layers = graph.layers[:cut]
    add = graph.layers.append
    for n, blob in enumerate(levels if style in ("six", "logits", "maps") else ()):
        add(Layer("Slice", f"cut{n}", [blob], [f"a{n}", f"b{n}"], {-23300: "2,3,-233", 1: "0"}))
        if style != "logits":
            add(Layer("Sigmoid", f"cls{n}", [f"a{n}"], [f"scores{n}"], {}))
        scores = f"a{n}" if style == "logits" else f"scores{n}"
        if style == "maps":
            add(Layer("Permute", f"edges{n}", [f"b{n}"], [f"dis{n}"], {0: "3"}))
        else:
            add(Layer("Permute", f"rows{n}", [scores], [f"cls_pred{n}"], {0: "1"}))
            add(Layer("Permute", f"edges{n}", [f"b{n}"], [f"dis_pred{n}"], {0: "1"}))
    if style == "columns":
        graph.layers.pop()  # it transposes
    if style == "two":
        add(Layer("Concat", "all", levels, ["every"], {0: "1"}))
        add(Layer("Slice", "cut", ["every"], ["a", "b"], {-23300: "2,3,-233", 1: "0"}))
        add(Layer("Sigmoid", "cls", ["a"], ["scores"], {}))
    if fixed:
        shapes = blob_shapes(graph, (3, *SIZE[::-1]), param)
        for layer in graph.layers:
            if layer.kind == "Interp":
                _, height, width = shapes[layer.outputs[0]]
                layer.values = {0: "2", 3: str(height), 4: str(width)}
    param.write_text(graph.to_text())
    param.with_suffix(".bin").write_bytes(Path(exported).with_suffix(".bin").read_bytes())
    return param


def write_onnx_maps(network, path, opset=11):
    """Write what torch's old exporter makes of a network, its levels as maps (1, 35, h, w)."""
    import torch

    class Maps(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            rows = self.network(x).transpose(1, 2)
            counts = [height * width for height, width in LEVELS]
            parts = torch.split(rows, counts, dim=2)
            return tuple(
                part.reshape(1, CHANNELS, *sides) for part, sides in zip(parts, LEVELS, strict=True)
            )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Maps().eval(), torch.zeros(1, 3, SIZE[1], SIZE[0]), path, dynamo=False,
            opset_version=opset, input_names=["input.1"], output_names=["p8", "p16", "p32"],
        )  # fmt: skip
    return path


def write_onnx(maps, folder, style):
    """Write an ONNX file of a style, or of ``distances`` (softmax and product inside).

    Args:
        maps: as `write_onnx_maps` writes them.
    """
    import onnx

    model = onnx.load(maps)
    graph, names = model.graph, []

    def add(kind, *inputs, **attributes):
        name = f"{kind}_{len(graph.node)}"
        graph.node.append(onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(values, kind=np.int64):
        name = f"constant_{len(graph.initializer)}"
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(values, kind), name))
        return name

    def part(blob, first, last):
        return add("Slice", blob, constant([first]), constant([last]), constant([1]))

    def rows(blob, channels):
        return add("Transpose", add("Reshape", blob, constant([1, channels, -1])), perm=[0, 2, 1])

    levels = ["p8", "p16", "p32"]
    bins = CHANNELS - CLASSES
    if style in ("columns", "two"):
        flat = [add("Reshape", blob, constant([1, CHANNELS, -1])) for blob in levels]
        every = add("Concat", *flat, axis=2)
        scores, edges = add("Sigmoid", part(every, 0, CLASSES)), part(every, CLASSES, CHANNELS)
        names = [scores, edges] if style == "two" else [add("Concat", scores, edges, axis=1)]
    for blob in levels if not names else ():
        if style == "three":
            names.append(rows(blob, CHANNELS))
            continue
        scores, edges = part(blob, 0, CLASSES), part(blob, CLASSES, CHANNELS)
        scores = scores if style == "logits" else add("Sigmoid", scores)
        if style == "maps":
            names += [scores, add("Transpose", edges, perm=[0, 2, 3, 1])]
        elif style == "distances":
            soft = add("Softmax", add("Reshape", rows(edges, bins), constant([-1, 8])), axis=1)
            mean = add("MatMul", soft, constant([[n] for n in range(8)], np.float32))
            names += [rows(scores, CLASSES), add("Reshape", mean, constant([1, -1, 4]))]
        else:
            names += [rows(scores, CLASSES), rows(edges, bins)]
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    path = Path(folder) / f"{style}.onnx"
    onnx.save(model, path)
    return path
