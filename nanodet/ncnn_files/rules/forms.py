"""Layers that join, cut, turn, copy or fold what they are given, or keep its form."""

from math import prod

from nanodet.ncnn_files.graph import Layer
from nanodet.ncnn_files.rules.step import Shape, Step, text_of

_UNSET = -233
_MOST_DIMENSIONS = 4
# Permute's order types: which of w, h, d, c become the new w, h, d, c
_ORDERS = {
    2: "wh hw",
    3: "whc hwc wch cwh hcw chw",
    4: "whdc hwdc wdhc dwhc hdwc dhwc whcd hwcd wchd cwhd hcwd chwd "
    "wdch dwch wcdh cwdh dcwh cdwh hdcw dhcw hcdw chdw dchw cdhw",
}


def same(step: Step) -> list[Shape]:
    return step.given


def copies(step: Step) -> list[Shape]:
    return step.given * len(step.layer.outputs)


def pass_on(step: Step) -> list[Shape]:
    return step.given[: len(step.layer.outputs)]


def concat(step: Step) -> list[Shape]:
    given = step.given
    axis = step.axis(step.whole(0))
    rests = {shape[:axis] + shape[axis + 1 :] for shape in given}
    if len(rests) > 1 or len({len(shape) for shape in given}) > 1:
        step.fail(f"cannot join {text_of(given)}")
    joined = list(given[0])
    joined[axis] = sum(shape[axis] for shape in given)
    return [tuple(joined)]


def cut(step: Step) -> list[Shape]:
    shape, sizes = step.given[0], step.wholes(0)
    axis = step.axis(step.whole(1))
    if len(sizes) != len(step.layer.outputs):
        step.fail(f"names {len(sizes)} sizes for {len(step.layer.outputs)} outputs")
    made, left = [], shape[axis]
    for i, size in enumerate(sizes):
        size = left // (len(sizes) - i) if size == _UNSET else size
        if not 0 < size <= left:
            step.fail(f"cannot cut {shape[axis]} into {sizes}")
        left -= size
        made.append((*shape[:axis], size, *shape[axis + 1 :]))
    return made


def crop(step: Step) -> list[Shape]:
    starts, ends, axes = map(step.wholes, (9, 10, 11))
    if not 0 < len(starts) == len(ends) == len(axes):
        step.fail("this form of Crop is not known in a NanoDet")
    shape = list(step.given[0])
    for start, end, number in zip(starts, ends, axes, strict=True):
        axis = step.axis(number)
        if not 0 <= start < end <= shape[axis]:
            step.fail(f"cannot crop {start}..{end} of {text_of(step.given)}")
        shape[axis] = end - start
    if len({step.axis(axis) for axis in axes}) != len(axes):
        step.refuse()
    return [tuple(shape)]


def permute(step: Step) -> list[Shape]:
    shape, order = step.given[0], step.whole(0)
    orders = _ORDERS.get(len(shape), "").split()
    if not 0 <= order < len(orders):
        step.fail(f"has no order {order} for {text_of(step.given)}")
    sides = dict(zip(orders[0], shape[::-1], strict=True))
    return [tuple(sides[side] for side in orders[order][::-1])]


def reshape(step: Step) -> list[Shape]:
    total = prod(step.given[0])
    keys = (2, 11, 1, 0) if 11 in step.layer.values else (2, 1, 0)  # numpy's order
    sides = [step.whole(key, _UNSET) for key in keys]
    while sides and sides[0] == _UNSET and len(keys) == 3:
        del sides[0]
    if not sides or min(sides) < -1 or 0 in sides or sides.count(-1) > 1:
        step.fail("this form of Reshape is not known in a NanoDet")
    known = prod(side for side in sides if side != -1)
    shape = tuple(total // known if side == -1 else side for side in sides)
    if prod(shape) != total:
        step.fail(f"cannot make {text_of([shape])} of {text_of(step.given)}")
    return [shape]


def flatten(step: Step) -> list[Shape]:
    return [(prod(step.given[0]),)]


def squeeze(step: Step) -> list[Shape]:
    shape = step.given[0]
    gone = {step.axis(axis) for axis in step.wholes(3)}
    if not gone:
        keys = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (2, 11, 1, 0)}[len(shape)]
        gone = {axis for axis, key in enumerate(keys) if step.whole(key)}
    return [tuple(n for axis, n in enumerate(shape) if n != 1 or axis not in gone) or (1,)]


def expand(step: Step) -> list[Shape]:
    shape, axes = list(step.given[0]), step.wholes(3)
    rank = len(shape) + len(axes)
    new = sorted({step.axis(axis, rank) for axis in axes})
    if rank > _MOST_DIMENSIONS or len(new) != len(axes):
        step.refuse()
    for axis in new:
        shape.insert(axis, 1)
    return [tuple(shape)]


def reduce(step: Step) -> list[Shape]:
    shape, axes = step.given[0], {step.axis(axis) for axis in step.wholes(3)}
    # without 5=1 ncnn takes axes for those of an older form, and refuses
    if axes and not step.whole(5):
        step.refuse()
    if step.whole(1, 1):
        axes = set(range(len(shape)))
    if not axes:
        step.refuse()
    if step.whole(4):
        return [tuple(1 if axis in axes else n for axis, n in enumerate(shape))]
    return [tuple(n for axis, n in enumerate(shape) if axis not in axes) or (1,)]


def halve(step: Step) -> list[Shape]:
    shape = list(step.given[0])
    axis = step.axis(step.whole(0))
    if shape[axis] % 2:
        step.refuse()
    shape[axis] //= 2
    return [tuple(shape)]


def constant(step: Step) -> list[Shape]:
    return [constant_shape(step.layer)]


def constant_shape(layer: Layer) -> Shape:
    """Return the shape of the values that a ``MemoryData`` keeps; with a side of 0 where none can be."""
    if layer.whole(11):
        return tuple(map(layer.whole, (2, 11, 1, 0)))
    sides = tuple(map(layer.whole, (2, 1, 0)))
    while len(sides) > 1 and sides[0] == 0:
        sides = sides[1:]
    return sides
