"""The shape of every blob of an ncnn graph, worked out without running it.

ncnn reads beyond its memory when the counts of a graph do not fit together. Only the layers that a
NanoDet of any age has are known here.
"""

from math import ceil, prod

from nanodet.errors import NanodetError

ELEMENTWISE = (
    "Sigmoid", "ReLU", "Clip", "HardSwish", "Swish", "Mish", "HardSigmoid", "Dropout",
)  # fmt: skip
_UNSET = -233
_SAME = (-233, -234)  # padding so that the output has ceil(input / stride) columns
# Permute's order types: which of w, h, c becomes the new w, h, c
_ORDERS = {
    2: ("wh", "hw"),
    3: ("whc", "hwc", "wch", "cwh", "hcw", "chw"),
}


def blob_shapes(graph, input_shape, file):
    """Work out the shapes of a graph.

    Args:
        graph: a `nanodet.runtime.ncnn_graph.Graph`.
        input_shape: (channels, height, width) of every input.
        file: names the graph in messages.

    Returns:
        name of the blob to its shape in numpy's order: (channels, rows, columns) or (rows, columns).

    Raises:
        NanodetError: counts that do not fit together, or a kind of layer that is not known here.
    """
    shapes = {}
    for layer in graph.layers:
        where = f"{file}: layer {layer.name}"
        given = [shapes[blob] for blob in layer.inputs]
        if layer.kind == "Input":
            made = [tuple(input_shape)]
        elif layer.kind in _RULES and given:
            made = _RULES[layer.kind](layer, given, where)
        elif layer.kind == "Noop":
            made = [given[0] if given else ()] * len(layer.outputs)
        else:
            raise NanodetError(f"{where}: {layer.kind} is not known in a NanoDet")
        if len(made) != len(layer.outputs) or any(side < 1 for shape in made for side in shape):
            raise NanodetError(f"{where}: cannot work on {_text(given)}")
        shapes.update(zip(layer.outputs, made, strict=True))
    return shapes


def _convolution(layer, given, where):
    channels, *sides = _map(layer, given, where)
    groups = layer.whole(7, 1) if layer.kind == "ConvolutionDepthWise" else 1
    outputs, count = layer.whole(0), layer.whole(6)
    kernel = layer.whole(11, layer.whole(1)), layer.whole(1)
    if groups < 1 or channels % groups or outputs % groups:
        raise NanodetError(f"{where}: {groups} groups do not divide {channels} channels")
    if min(kernel) < 1 or count != outputs * (channels // groups) * prod(kernel):
        raise NanodetError(f"{where}: {count} weights do not fit its {channels} input channels")
    strides = layer.whole(13, layer.whole(3, 1)), layer.whole(3, 1)
    dilations = layer.whole(12, layer.whole(2, 1)), layer.whole(2, 1)
    left = layer.whole(4)
    top = layer.whole(14, left)
    pads = (top, layer.whole(16, top)), (left, layer.whole(15, left))
    if min(*strides, *dilations) < 1:
        raise NanodetError(f"{where}: a stride or dilation below 1")
    return [
        (outputs, *(
            ceil(n / s) if pad[0] in _SAME else (n + sum(pad) - d * (k - 1) - 1) // s + 1
            for n, k, s, d, pad in zip(sides, kernel, strides, dilations, pads, strict=True)
        ))
    ]  # fmt: skip


def _pooling(layer, given, where):
    channels, *sides = _map(layer, given, where)
    if layer.whole(4) or layer.whole(7):
        raise NanodetError(f"{where}: global pooling is not known in a NanoDet")
    kernel = layer.whole(11, layer.whole(1)), layer.whole(1)
    strides = layer.whole(12, layer.whole(2, 1)), layer.whole(2, 1)
    left = layer.whole(3)
    top = layer.whole(13, left)
    pads = top + layer.whole(15, top), left + layer.whole(14, left)
    mode = layer.whole(5)
    if min(*kernel, *strides) < 1:
        raise NanodetError(f"{where}: a kernel or stride below 1")
    rounded = ceil if mode == 0 else int
    return [
        (channels, *(
            ceil(n / s) if mode in (2, 3) else rounded((n + pad - k) / s) + 1
            for n, k, s, pad in zip(sides, kernel, strides, pads, strict=True)
        ))
    ]  # fmt: skip


def _concat(layer, given, where):
    axis = _axis(layer.whole(0), given[0], where)
    rests = {shape[:axis] + shape[axis + 1 :] for shape in given}
    if len(rests) > 1 or len({len(shape) for shape in given}) > 1:
        raise NanodetError(f"{where}: cannot join {_text(given)}")
    joined = list(given[0])
    joined[axis] = sum(shape[axis] for shape in given)
    return [tuple(joined)]


def _slice(layer, given, where):
    shape, sizes = given[0], [int(size) for size in layer.numbers(0)]
    axis = _axis(layer.whole(1), shape, where)
    if len(sizes) != len(layer.outputs):
        raise NanodetError(f"{where}: names {len(sizes)} sizes for {len(layer.outputs)} outputs")
    made, left = [], shape[axis]
    for i, size in enumerate(sizes):
        size = left // (len(sizes) - i) if size == _UNSET else size
        left -= size
        made.append((*shape[:axis], size, *shape[axis + 1 :]))
    if left < 0:
        raise NanodetError(f"{where}: cannot cut {shape[axis]} into {sizes}")
    return made


def _crop(layer, given, where):
    starts, ends, axes = ([int(value) for value in layer.numbers(key)] for key in (9, 10, 11))
    if not len(starts) == len(ends) == len(axes) == 1:
        raise NanodetError(f"{where}: this form of Crop is not known in a NanoDet")
    axis = _axis(axes[0], given[0], where)
    if not 0 <= starts[0] < ends[0] <= given[0][axis]:
        raise NanodetError(f"{where}: cannot crop {starts[0]}..{ends[0]} of {_text(given)}")
    return [(*given[0][:axis], ends[0] - starts[0], *given[0][axis + 1 :])]


def _shuffle(layer, given, where):
    channels = _map(layer, given, where)[0]
    if layer.whole(0, 1) < 1 or channels % layer.whole(0, 1):
        raise NanodetError(f"{where}: cannot shuffle {channels} channels")
    return given


def _interp(layer, given, where):
    channels, height, width = _map(layer, given, where)
    if layer.whole(3) or layer.whole(4) or 9 in layer.values:
        raise NanodetError(f"{where}: is made for one input size alone")
    return [(channels, int(height * layer.number(1, 1)), int(width * layer.number(2, 1)))]


def _binary(layer, given, where):
    if len(set(given)) > 1:
        raise NanodetError(f"{where}: cannot combine {_text(given)}")
    return given[:1]


def _permute(layer, given, where):
    shape, order = given[0], layer.whole(0)
    orders = _ORDERS.get(len(shape), ())
    if not 0 <= order < len(orders):
        raise NanodetError(f"{where}: has no order {order} for {_text(given)}")
    sides = dict(zip("whc", shape[::-1], strict=False))
    return [tuple(sides[side] for side in orders[order][::-1])]


def _reshape(layer, given, where):
    if 6 in layer.values or 11 in layer.values or 3 in layer.values:
        raise NanodetError(f"{where}: this form of Reshape is not known in a NanoDet")
    total = prod(given[0])
    sides = [layer.whole(key, _UNSET) for key in (2, 1, 0)]
    sides = [side for side in sides if side != _UNSET]
    if 0 in sides or sides.count(-1) > 1:
        raise NanodetError(f"{where}: this form of Reshape is not known in a NanoDet")
    known = prod(side for side in sides if side != -1)
    shape = tuple(total // known if side == -1 else side for side in sides)
    if prod(shape) != total:
        raise NanodetError(f"{where}: cannot make {_text([shape])} of {_text(given)}")
    return [shape]


def _map(layer, given, where):
    if len(given) != 1 or len(given[0]) != 3:
        raise NanodetError(f"{where}: {layer.kind}: cannot work on {_text(given)}")
    return given[0]


def _axis(axis, shape, where):
    if not -len(shape) <= axis < len(shape):
        raise NanodetError(f"{where}: has no axis {axis}")
    return axis % len(shape)


def _text(shapes):
    return ", ".join(" x ".join(map(str, shape)) for shape in shapes)


_RULES = {
    "Convolution": _convolution,
    "ConvolutionDepthWise": _convolution,
    "Pooling": _pooling,
    "Concat": _concat,
    "Slice": _slice,
    "Crop": _crop,
    "Split": lambda layer, given, where: given * len(layer.outputs),
    "ShuffleChannel": _shuffle,
    "Interp": _interp,
    "BinaryOp": _binary,
    "Permute": _permute,
    "Reshape": _reshape,
    **{kind: lambda layer, given, where: given for kind in ELEMENTWISE},
}
