"""Which convolution of an ncnn graph is which of the network: told by the order of the data flow.

Both graphs are walked from the output back to the input. Where a layer has several inputs their
order is part of what it computes (concatenation) or is settled here (sums), so two graphs of one
architecture give their convolutions in the same order, whatever their names and the order of
their layers.
"""

from dataclasses import dataclass

import torch
from torch import nn

from nanodet.errors import NanodetError

CONVOLUTIONS = ("Convolution", "ConvolutionDepthWise")
# ncnn's activation types within a convolution, and its layers
_FUSED = {1: "ReLU", 2: "LeakyReLU", 3: "ReLU6", 6: "HardSwish"}
_LAYERS = {"ReLU": "ReLU", "Clip": "ReLU6", "HardSwish": "HardSwish", "Swish": "SiLU"}
_MODULES = {
    nn.ReLU: "ReLU", nn.LeakyReLU: "LeakyReLU", nn.ReLU6: "ReLU6", nn.Hardswish: "HardSwish",
    nn.SiLU: "SiLU",
}  # fmt: skip
_NONE = "no activation"
_PLUS_STRIDES = [8, 16, 32, 64]
# the start of a module's name, and the config's key that its shape comes from
_KEYS = {
    "backbone.": "model.arch.backbone.model_size",
    "fpn.": "model.arch.fpn.out_channels",
    "head.cls_convs.": "model.arch.head.feat_channels",
    "head.reg_convs.": "model.arch.head.feat_channels",
    "head.": "model.arch.head.share_cls_reg",
}


@dataclass(frozen=True)
class Pair:
    """One convolution in both graphs.

    Attributes:
        conv: name of the network's module.
        norm: name of the batch norm behind it, None where there is none.
        layer: the ncnn `Layer`.
    """

    conv: str
    norm: str | None
    layer: object


def match(network, graph, form, file, config_file):
    """Pair the convolutions of a network with those of an ncnn graph.

    Args:
        network: a `nanodet.model.network.NanoDet`.
        graph: a `Graph` as `nanodet.ncnn_files.unify.unify` gives it.
        form: its `Form`.
        file, config_file: name graph and config in messages.

    Returns:
        `Pair`s in the order of the data flow; module names are unique.

    Raises:
        NanodetError: the architectures differ; names the layer and the config's key.
    """
    head = network.head
    for key, given, wanted in (
        ("num_classes", form.classes, head.num_classes),
        ("reg_max", form.reg_max, head.reg_max),
        ("strides", list(form.strides), list(head.strides)),
    ):
        if given != wanted:
            plus = " (NanoDet-Plus has four levels, and cannot be trained yet)"
            raise NanodetError(
                f"{file}: has {key} {given}, but model.arch.head.{key} of {config_file} is {wanted}"
                f"{plus if given == _PLUS_STRIDES else ''}"
            )
    ours, theirs = _torch_convolutions(network), _ncnn_convolutions(graph)
    if len(ours) != len(theirs):
        raise NanodetError(
            f"{file}: has {len(theirs)} convolutions, but the model of {config_file} has {len(ours)}: "
            "model.arch.head.stacked_convs, share_cls_reg or model.arch.backbone.with_last_conv differ"
        )
    consumers = graph.consumers()
    pairs = []
    for (conv, norm, activation), layer in zip(ours, theirs, strict=True):
        where = f"{file}: layer {layer.name}"
        given, wanted = _shape_of_layer(layer), _shape_of_module(network.get_submodule(conv))
        if given != wanted:
            key = next(key for start, key in _KEYS.items() if conv.startswith(start))
            raise NanodetError(
                f"{where}: is a convolution {given}, but {conv} is {wanted} by {key} of {config_file}"
            )
        found = _activation_of(layer, consumers)
        if found != activation:
            part = "backbone" if conv.startswith("backbone.") else "head"
            raise NanodetError(
                f"{where}: has {found} behind it, but {conv} has {activation} by "
                f"model.arch.{part}.activation of {config_file}"
            )
        pairs.append(Pair(conv, norm, layer))
    return pairs


def _torch_convolutions(network):
    """Return (convolution, batch norm or None, activation) in the order of the data flow."""
    graph = torch.fx.symbolic_trace(network).graph
    end = next(node for node in graph.nodes if node.op == "output")
    found = []
    for node in _from_inputs_on([end], lambda node: node.all_input_nodes):
        if not isinstance(_module(network, node), nn.Conv2d):
            continue
        norm, after = None, next(iter(node.users))
        if isinstance(_module(network, after), nn.BatchNorm2d):
            norm, after = after.target, next(iter(after.users))
        activation = _MODULES.get(type(_module(network, after)), _NONE)
        found.append((node.target, norm, activation))
    return found


def _module(network, node):
    return network.get_submodule(node.target) if node.op == "call_module" else None


def _ncnn_convolutions(graph):
    producers = graph.producers()

    def inputs_of(layer):
        before = [producers[blob] for blob in layer.inputs]
        if layer.kind == "BinaryOp":  # a sum: what was resized comes last, as in our network
            before.sort(key=lambda one: one.kind == "Interp")
        return before

    ends = [producers[blob] for blob in graph.outputs()]
    return [layer for layer in _from_inputs_on(ends, inputs_of) if layer.kind in CONVOLUTIONS]


def _from_inputs_on(ends, inputs_of):
    """Return the nodes that ``ends`` depend on, each behind its inputs, depth first."""
    order, seen = [], set()
    waiting = [(node, False) for node in reversed(ends)]
    while waiting:
        node, inputs_done = waiting.pop()
        if inputs_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            waiting.append((node, True))
            waiting += [(before, False) for before in reversed(list(inputs_of(node)))]
    return order


def _shape_of_layer(layer):
    groups = layer.whole(7, 1) if layer.kind == "ConvolutionDepthWise" else 1
    kernel = layer.whole(11, layer.whole(1)), layer.whole(1)
    channels = layer.whole(6) // (layer.whole(0) * kernel[0] * kernel[1]) * groups
    strides = layer.whole(13, layer.whole(3, 1)), layer.whole(3, 1)
    return _shape_text(channels, layer.whole(0), kernel, strides, groups)


def _shape_of_module(conv):
    return _shape_text(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.groups
    )


def _shape_text(channels_in, channels_out, kernel, strides, groups):
    text = f"{channels_in} to {channels_out}, {kernel[0]} x {kernel[1]}"
    text += f", stride {strides[0]}" if strides[0] == strides[1] else f", stride {strides}"
    return text + (f", {groups} groups" if groups > 1 else "")


def _activation_of(layer, consumers):
    kind, numbers = layer.whole(9), layer.numbers(10)
    if kind == 0:
        after = consumers.get(layer.outputs[0])
        name = _LAYERS.get(after.kind, _NONE) if after else _NONE
        slope = after.number(0) if name == "ReLU" else 0.0
        return _leaky(slope) if slope else name
    name = _FUSED.get(kind, f"ncnn's activation {kind}")
    return _leaky(numbers[0]) if name == "LeakyReLU" and len(numbers) else name


def _leaky(slope):
    return "LeakyReLU" if abs(slope - 0.1) < 1e-4 else f"LeakyReLU with slope {slope:g}"
