"""Layers that combine values with each other or with weights: sums, matrices, norms, attention."""

from math import prod

from nanodet.ncnn_files.rules.step import Shape, Step, text_of


def binary(step: Step) -> list[Shape]:
    """Of two inputs a side of 1 goes with any other; one of fewer sides is given more as ncnn does it."""
    if len(step.given) == 1:
        return step.given
    one, other = step.given
    rank = max(len(one), len(other))
    one, other = _widened(one, other, rank), _widened(other, one, rank)
    if any(a != b and 1 not in (a, b) for a, b in zip(one, other, strict=True)):
        step.fail(f"cannot combine {text_of(step.given)}")
    return [tuple(map(max, one, other))]


def _widened(shape: Shape, beside: Shape, rank: int) -> Shape:
    """Return a shape with as many sides as ncnn gives it beside a larger one."""
    if len(shape) == 1 and rank > 1 and shape[0] != beside[0]:
        return (1,) * (rank - 1) + shape  # a value for each column, else for each channel
    return shape + (1,) * (rank - len(shape))


def combine(step: Step) -> list[Shape]:
    if len(set(step.given)) > 1 or len(step.layer.numbers(1)) not in (0, len(step.given)):
        step.fail(f"cannot combine {text_of(step.given)}")
    return step.given[:1]


def inner_product(step: Step) -> list[Shape]:
    shape, outputs, count = step.given[0], step.whole(0), step.whole(2)
    if outputs < 1 or count < 1 or count % outputs:
        step.fail(f"{count} weights cannot make {outputs} outputs")
    if len(shape) == 2 and shape[1] == count // outputs:
        return [(shape[0], outputs)]
    if prod(shape) != count // outputs:
        step.refuse()
    return [(outputs,)]


def matmul(step: Step) -> list[Shape]:
    """As numpy's, but for a matrix and maps of four dimensions, which ncnn cannot take."""
    one, other = step.given
    left = one if len(one) > 1 else (1, *one)
    right = other if len(other) > 1 else (*other, 1)
    if step.whole(0) and len(other) > 1:
        right = (*right[:-2], *right[:-3:-1])
    if left[-1] != right[-2] or {len(one), len(other)} == {2, 4}:
        step.refuse()
    rank = max(len(left), len(right))
    pairs = list(zip(*((1,) * (rank - len(m)) + m[:-2] for m in (left, right)), strict=True))
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        step.refuse()
    rows = left[-2:-1] if len(one) > 1 else ()
    columns = right[-1:] if len(other) > 1 else ()
    return [(*map(max, pairs), *rows, *columns) or (1,)]


def gemm(step: Step) -> list[Shape]:
    given = list(step.given)
    if any(len(shape) > 2 for shape in given):
        step.refuse()
    turned_a, turned_b, has_a, has_b, has_c = map(step.whole, (2, 3, 4, 5, 6))
    rows, columns, inner = map(step.whole, (7, 8, 9))
    if has_a:
        one: Shape = (rows, inner)
    else:
        one = _matrix(step, given.pop(0))[:: -1 if turned_a else 1]
    if has_b:
        other: Shape = (columns, inner)
    else:
        other = _matrix(step, given.pop(0))[:: 1 if turned_b else -1]
    if one[1] != other[1]:
        step.refuse()
    made = one[0], other[0]
    if has_c:
        kind = step.whole(10)
        if (kind in (1, 2, 3) and rows != made[0]) or (kind in (3, 4) and columns != made[1]):
            step.refuse()
    elif given and given[0] not in {
        (1,), made[:1], made[1:], (made[0], 1), made, (1, made[1])
    }:  # fmt: skip
        step.refuse()
    made = made[::-1] if step.whole(14) else made
    return [(made[0], 1, made[1]) if step.whole(11) else made]


def _matrix(step: Step, shape: Shape) -> Shape:
    if len(shape) != 2:
        step.refuse()
    return shape


def attention(step: Step) -> list[Shape]:
    embedded, heads, count = step.whole(0), step.whole(1, 1), step.whole(2)
    if embedded < 1 or count < 1 or embedded % heads or count % embedded:
        step.fail(f"{count} weights cannot make {heads} heads of {embedded} values")
    given = step.given[: len(step.given) - (1 if step.whole(5) else 0)]
    query, key, value = [given[0], given[-1] if len(given) < 3 else given[1], given[-1]]
    widths = count // embedded, step.whole(3, embedded), step.whole(4, embedded)
    if any(len(one) != 2 for one in given) or tuple(s[1] for s in (query, key, value)) != widths:
        step.refuse()
    if key[0] != value[0]:
        step.refuse()
    _check_mask(step, heads, query[0], key[0])
    return [(query[0], widths[0])]


def scaled_attention(step: Step) -> list[Shape]:
    query, key, value = step.given[:3]
    if any(len(shape) != 3 for shape in (query, key, value)) or query[0] % key[0]:
        step.refuse()
    if query[2] != key[2] or key[:2] != value[:2]:
        step.refuse()
    _check_mask(step, query[0], query[1], key[1])
    return [(query[0], query[1], value[2])]


def _check_mask(step: Step, heads: int, rows: int, columns: int) -> None:
    mask = step.given[-1]
    if step.whole(5) and mask not in {(rows, columns), (1, rows, columns), (heads, rows, columns)}:
        step.refuse()


def softmax(step: Step) -> list[Shape]:
    step.axis(step.whole(0))
    return step.given


def per_channel(step: Step) -> list[Shape]:
    count = step.whole(0)
    if count != step.given[0][0] and not (step.layer.kind == "PReLU" and count == 1):
        step.refuse()
    return step.given


def instance_norm(step: Step) -> list[Shape]:
    if step.whole(0) != step.map()[0]:
        step.refuse()
    return step.given


def group_norm(step: Step) -> list[Shape]:
    if step.whole(1) != step.given[0][0] or step.whole(1) % step.whole(0, 1):
        step.refuse()
    return step.given


def layer_norm(step: Step) -> list[Shape]:
    shape, count = step.given[0], step.whole(0)
    if count != shape[-1] and (len(shape) < 3 or count != prod(shape[-2:])):
        step.refuse()
    return step.given
