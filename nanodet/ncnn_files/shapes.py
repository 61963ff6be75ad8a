"""The shape of every blob of an ncnn graph, worked out without running it.

ncnn reads beyond its memory, divides by zero or takes all memory there is when the counts of a
graph do not fit together. Only the layers that a NanoDet of any age has are known here.
"""

from math import ceil, prod

from nanodet.errors import NanodetError
from nanodet.ncnn_files.parameters import check_parameters

MOST_BYTES = 1 << 31  # that the blobs alive at one time may take

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
        graph: a `nanodet.ncnn_files.graph.Graph`.
        input_shape: (channels, height, width) of every input.
        file: names the graph in messages.

    Returns:
        name of the blob to its shape in numpy's order: (channels, rows, columns) or (rows, columns).

    Raises:
        NanodetError: counts that do not fit together, or a kind of layer that is not known here.
    """
    shapes, alive, quantised = {}, 0, set()
    for layer in graph.layers:
        where = f"{file}: layer {layer.name}"
        check_parameters(layer, where)
        given = [shapes[blob] for blob in layer.inputs]
        if layer.kind == "Input":
            made = [tuple(input_shape)]
        else:
            _check_count(layer, where)
            made = _RULES[layer.kind](layer, given, where)
        if len(made) != len(layer.outputs) or any(side < 1 for shape in made for side in shape):
            raise NanodetError(f"{where}: cannot work on {_text(given)}")
        needed = alive + sum(map(_bytes, made)) + _workspace(layer, given, made)
        if needed > MOST_BYTES:
            raise NanodetError(f"{where}: would need {needed / 1e9:.1f} GB of memory")
        alive += sum(map(_bytes, made)) - sum(map(_bytes, given))
        shapes.update(zip(layer.outputs, made, strict=True))
        _follow_int8(layer, quantised, where)
    for blob in graph.outputs():
        if blob in quantised:
            raise NanodetError(f"{file}: {blob}: is left in int8")
    return shapes


def _check_count(layer, where):
    """Check the number of inputs; that of outputs is checked with the shapes."""
    found = len(layer.inputs)
    if layer.kind in ("Concat", "Noop"):
        fine = found > 0
    else:
        fine = found == (2 if layer.kind == "BinaryOp" and not layer.whole(1) else 1)
    if not fine:
        raise NanodetError(f"{where}: {layer.kind} cannot work on {found} inputs")


def _bytes(shape):
    return 4 * prod(shape)


def _workspace(layer, given, made):
    """Return the bytes that a convolution may unfold its input to."""
    if layer.kind != "Convolution":
        return 0
    return 4 * given[0][0] * layer.whole(1) * layer.whole(11, layer.whole(1)) * prod(made[0][1:])


def _follow_int8(layer, blobs, where):
    """Keep book of the blobs that a convolution leaves in int8; few layers can take those."""
    requantised = "Convolution" in layer.kind and layer.whole(8) > 100
    taken = [blob for blob in layer.inputs if blob in blobs]
    if taken and not (layer.kind == "Split" or ("Convolution" in layer.kind and layer.whole(8))):
        raise NanodetError(f"{where}: {layer.kind} cannot work on {taken[0]}, which is int8")
    if requantised or (taken and layer.kind == "Split"):
        blobs.update(layer.outputs)


def _convolution(layer, given, where):
    channels, *sides = _map(layer, given, where)
    groups = layer.whole(7, 1) if layer.kind == "ConvolutionDepthWise" else 1
    outputs, count = layer.whole(0), layer.whole(6)
    kernel = layer.whole(11, layer.whole(1)), layer.whole(1)
    if groups < 1 or channels % groups or outputs % groups:
        raise NanodetError(f"{where}: {groups} groups do not divide {channels} channels")
    if min(outputs, *kernel) < 1 or count != outputs * (channels // groups) * prod(kernel):
        raise NanodetError(f"{where}: {count} weights do not fit its {channels} input channels")
    strides = layer.whole(13, layer.whole(3, 1)), layer.whole(3, 1)
    dilations = layer.whole(12, layer.whole(2, 1)), layer.whole(2, 1)
    left = layer.whole(4)
    top = layer.whole(14, left)
    pads = (top, layer.whole(16, top)), (left, layer.whole(15, left))
    if len({pad if pad < 0 else 0 for pad in (*pads[0], *pads[1])}) > 1:
        raise NanodetError(f"{where}: some of its pads are counts, some a rule")
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
    fits = all(0 < k <= n + pad for n, k, pad in zip(sides, kernel, pads, strict=True))
    if not fits and mode not in (2, 3):
        raise NanodetError(f"{where}: its kernel is larger than {_text(given)}")
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
        if not 0 < size <= left:
            raise NanodetError(f"{where}: cannot cut {shape[axis]} into {sizes}")
        left -= size
        made.append((*shape[:axis], size, *shape[axis + 1 :]))
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
    if channels % layer.whole(0, 1):
        raise NanodetError(f"{where}: cannot shuffle {channels} channels")
    return given


def _interp(layer, given, where):
    channels, height, width = _map(layer, given, where)
    if layer.whole(3) or layer.whole(4) or layer.whole(5):
        raise NanodetError(f"{where}: is made for one input size alone")
    scales = [layer.number(key, 1) for key in (1, 2)]
    for key, scale in enumerate(scales, 1):
        # quarters are exact in every reader, so that the sides are
        if not 0.25 <= scale <= 16 or 4 * scale % 1:
            raise NanodetError(f"{where}: cannot scale by {layer.values[key]}")
    sides = int(height * scales[0]), int(width * scales[1])
    if layer.whole(0) == 2 and sides != (height, width):
        # it takes a place and the next one; of one alone, the one before it, which is another's memory
        if min(height, width, *(sides if layer.whole(6) else ())) < 2:
            raise NanodetError(
                f"{where}: ncnn cannot interpolate between fewer than two rows or columns: "
                f"{_text(given)}"
            )
    return [(channels, *sides)]


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
    total = prod(given[0])
    sides = [layer.whole(key, _UNSET) for key in (0, 1, 2)]
    while sides and sides[-1] == _UNSET:
        sides.pop()
    sides = sides[::-1]  # numpy's order
    if not sides or min(sides) < -1 or 0 in sides or sides.count(-1) > 1:
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
    "Noop": lambda layer, given, where: given[: len(layer.outputs)],
    "ShuffleChannel": _shuffle,
    "Interp": _interp,
    "BinaryOp": _binary,
    "Permute": _permute,
    "Reshape": _reshape,
    **{kind: lambda layer, given, where: given for kind in ELEMENTWISE},
}
