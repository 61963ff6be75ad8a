"""The calls that a checkpoint's pickle may make, and the arguments of each.

torch and numpy trust their arguments: with others, they allocate any amount of memory, read out of
bounds, or end the process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

DAMAGED = "not a checkpoint, or damaged"
MOST_CALLS = 100_000  # each makes about one tensor
MOST_COPIED = 8 << 20  # bytes that calls copy: as many as a pickle may have
MOST_IN_TUPLE = 1000  # values, including all that it refers to
MOST_SIDES = 64  # of a tensor's shape
_ENTRY = 100  # bytes, of a mapping
# bytes of a value in each kind of storage
_STORAGES = {
    **{f"torch.{kind}Storage": 1 for kind in ("Bool", "Byte", "Char", "QInt8", "QUInt8")},
    **{f"torch.{kind}Storage": 2 for kind in ("BFloat16", "Half", "Short")},
    **{f"torch.{kind}Storage": 4 for kind in ("Float", "Int", "QInt32")},
    **{f"torch.{kind}Storage": 8 for kind in ("ComplexFloat", "Double", "Long")},
    "torch.ComplexDoubleStorage": 16, "torch.storage.UntypedStorage": 1,
}  # fmt: skip
_FORMS = {"torch.Complex": "complex", "torch.Q": "quantised"}
# kinds of numbers without a separate storage class
_DTYPES = {
    **{f"torch.uint{8 * size}": size for size in (2, 4, 8)},
    **{f"torch.float8_{kind}": 1 for kind in ("e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu")},
}  # fmt: skip
_SCALARS = {
    f"{order}{kind}{size}": size
    for order in ("", "<", ">", "=", "|")
    for kind, sizes in (("f", (2, 4, 8)), ("i", (1, 2, 4, 8)), ("u", (1, 2, 4, 8)), ("b", (1,)))
    for size in sizes
}


class Refused(Exception):
    """The pickle needs too much memory, or is invalid.

    Attributes:
        code: the function's name, for a call that weights do not need.
        cut_off: whether the data end before the pickle does.
    """

    def __init__(self, reason: str, code: str | None = None, cut_off: bool = False):
        super().__init__(reason)
        self.code, self.cut_off = code, cut_off


@dataclass(frozen=True)
class Global:
    """A function or class."""

    name: str


class Tuple:
    """A tuple; the only one of these values whose hash includes all its contents."""

    def __init__(self, items: Sequence[Any]):
        self.items = items
        self.size: int = 1 + sum(item.size if type(item) is Tuple else 1 for item in items)
        if self.size > MOST_IN_TUPLE:
            raise Refused(f"a tuple in it contains more than {MOST_IN_TUPLE:,} values")


@dataclass
class Made:
    """Any other value, but numbers, texts, bytes and None.

    Attributes:
        kind: "list", "set", "mapping" or "ordered"; "storage", "tensor", or "odd" for a tensor that
            does not contain plain numbers; "dtype"; "value" for anything else.
        size: entries of a mapping, values of a storage, bytes per value of a dtype.
        width: bytes per value of a storage.
        form: what is unusual about a tensor, or the tensors of a storage.
    """

    kind: str
    size: int = 0
    width: int = 0
    form: str = ""


class Calls:
    """All calls of a pickle."""

    def __init__(self):
        self._count = self._copied = 0

    def make(self, function: Any, given: Tuple) -> Any:
        """Return the result of calling ``function`` with the values in the `Tuple` ``given``.

        Raises:
            Refused: torch must not make that call.
        """
        name = function.name if type(function) is Global else "a call"
        if name not in _CALLS:
            raise Refused("a call", code=name)
        self._count += 1
        if self._count > MOST_CALLS:
            raise Refused(f"it makes more than {MOST_CALLS:,} tensors and other objects")
        try:
            made = _CALLS[name](*given.items)
        except (TypeError, AttributeError):  # too few, too many, or of the wrong kind
            raise Refused(DAMAGED) from None
        if type(made) is bytes:
            self._copied += len(made)
        elif made.kind == "mapping":
            self._copied += _ENTRY * made.size
        if self._copied > MOST_COPIED:
            raise Refused(f"it copies more than {MOST_COPIED:,} bytes")
        return made


def storage(kind: Any, count: Any) -> Made:
    """Return a storage of ``count`` values of a class, such as ``torch.FloatStorage``."""
    _need(type(kind) is Global and kind.name in _STORAGES and type(count) is int and count >= 0)
    form = next((form for start, form in _FORMS.items() if kind.name.startswith(start)), "")
    return Made("storage", count, _STORAGES[kind.name], form)


def check_state(made: Made, state: Any) -> None:
    """Raise `Refused` for a state that weights never give to an object they ``made``."""
    if made.kind == "ordered":  # the versions of layers in a state_dict
        _need(_is(state, "mapping", "ordered"))
    else:  # otherwise the size would change
        _need(_is(made, "dtype") and type(state) is Tuple)
        version, order, *others = state.items
        _need(version == 3 and order in ("<", ">", "=", "|"))
        _need(others == [None, None, None, -1, -1, 0])


def _need(fine):
    if not fine:
        raise Refused(DAMAGED)


def _is(value, *kinds):
    return type(value) is Made and value.kind in kinds


def _encode(text, codec):
    # pickles of Python 3 for Python 2 encode texts like this; other codecs may take forever
    if codec != "latin1":
        raise Refused("a call", code="_codecs.encode")
    return text.encode("latin1")


def _counter(counts=None):
    _need(counts is None or _is(counts, "mapping"))
    return Made("mapping", counts.size if counts else 0)


def _ordered():
    return Made("ordered")


def _default(factory=None):
    _need(factory is None or type(factory) is Global)
    return Made("value")


def _dtype(name, align=0, copy=1):
    _need(align in (0, 1) and copy in (0, 1))
    _need(type(name) is str and name in _SCALARS)
    return Made("dtype", _SCALARS[name])


def _scalar(dtype, data):
    _need(_is(dtype, "dtype") and type(data) is bytes and len(data) == dtype.size)
    return Made("value")


def _size(sides):
    _sides(sides)
    return Made("value")


def _device(name, index=0):
    _need(type(name) is str and len(name) < 100 and type(index) is int)
    return Made("value")


def _layout(name):
    _need(type(name) is str)
    return Made("value")


def _tensor(storage, start, shape, strides, *_, width=None):
    """Check that a tensor lies in its storage: torch would read out of bounds, or enlarge it."""
    _need(_is(storage, "storage") and type(start) is int and start >= 0)
    shape, strides = _sides(shape), _sides(strides)
    _need(len(shape) == len(strides))
    if 0 not in shape:
        last = start + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        _need((last + 1) * (width or storage.width) <= storage.size * storage.width)
    return Made("odd" if storage.form else "tensor", form=storage.form)


def _tensor_v3(storage, start, shape, strides, grad, hooks, dtype, *more):
    _need(dtype.name in _DTYPES)
    return _tensor(storage, start, shape, strides, width=_DTYPES[dtype.name])


def _sides(sides):
    _need(type(sides) is Tuple and len(sides.items) <= MOST_SIDES)
    _need(all(type(side) is int and 0 <= side < 1 << 63 for side in sides.items))
    return sides.items


def _parameter(tensor, grad=True, hooks=None):
    _need(_is(tensor, "tensor", "odd"))
    return tensor


def _odd(form):
    return lambda *given: Made("odd", form=form)


# objects besides tensors in checkpoints; others would be foreign code, or useless for weights
_CALLS = {
    "_codecs.encode": _encode,
    "collections.Counter": _counter,
    "collections.OrderedDict": _ordered,
    "collections.defaultdict": _default,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.dtype": _dtype,
    "torch.Size": _size,
    "torch.device": _device,
    "torch.nn.parameter.Parameter": _parameter,
    "torch.serialization._get_layout": _layout,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_meta_tensor_no_storage": _odd("without values (a meta tensor)"),
    "torch._utils._rebuild_qtensor": _odd("quantised"),
    "torch._utils._rebuild_sparse_tensor": _odd("sparse"),
}
