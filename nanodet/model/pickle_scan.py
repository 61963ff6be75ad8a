"""What a checkpoint's pickle would have torch do: gone through beforehand, without doing it.

``weights_only=True`` calls harmless functions alone, yet some of them take any amount of memory
(``bytearray(10**11)``) or time (the hash of tuples that refer to tuples, as the key of a mapping).
Here are the opcodes that torch knows; for values, only what has to be known of them.
"""

import struct
from dataclasses import dataclass

DAMAGED = "not a checkpoint, or damaged"
LONGEST = 8 << 20  # bytes; the pickle of NanoDet with its optimiser's state has 0.3 MB
MOST_STEPS = 1_000_000
MOST_CALLS = 100_000  # of which each makes a tensor or so
MOST_IN_TUPLE = 1000  # values, with all that it refers to
# what checkpoints hold beside tensors; others would be somebody's own code, or serve no weights
_CALLABLE = {
    "_codecs.encode", "collections.Counter", "collections.OrderedDict", "collections.defaultdict",
    "numpy._core.multiarray.scalar", "numpy.core.multiarray.scalar", "numpy.dtype", "torch.Size",
    "torch.device", "torch.nn.parameter.Parameter", "torch.serialization._get_layout",
    *(f"torch._utils._rebuild_{name}" for name in (
        "device_tensor_from_cpu_tensor", "meta_tensor_no_storage", "parameter",
        "parameter_with_state", "qtensor", "sparse_tensor", "tensor", "tensor_v2", "tensor_v3",
    )),
}  # fmt: skip
_OTHER = object()  # a list, a mapping, a tensor


class Refused(Exception):
    """It would take too much, or is no pickle.

    Attributes:
        code: of a call that no weights need, the function's name.
        cut_off: whether the data end before the pickle does.
    """

    def __init__(self, reason, code=None, cut_off=False):
        super().__init__(reason)
        self.code, self.cut_off = code, cut_off


@dataclass(frozen=True)
class _Global:
    name: str


class _Tuple:
    def __init__(self, items):
        self.items = items
        self.size = 1 + sum(item.size if type(item) is _Tuple else 1 for item in items)
        if self.size > MOST_IN_TUPLE:
            raise Refused(f"a tuple in it holds more than {MOST_IN_TUPLE:,} values")


def scan(data, at=0):
    """Go through one pickle.

    Args:
        data: bytes that hold it.
        at: where it begins.

    Returns:
        the position behind it.

    Raises:
        Refused: torch must not load it.
    """
    try:
        return _scan(data, at)
    except (LookupError, struct.error, UnicodeDecodeError, AttributeError, ValueError) as error:
        raise Refused(DAMAGED, cut_off=isinstance(error, IndexError)) from None


def _scan(data, at):
    stack, marked, memo, names = [], [], {}, {}
    calls = 0
    for _ in range(MOST_STEPS):
        code = data[at]
        at += 1
        if code == 0x71:  # BINPUT
            memo[data[at]] = stack[-1]
            at += 1
        elif code == 0x72:  # LONG_BINPUT
            memo[int.from_bytes(data[at : at + 4], "little")] = stack[-1]
            at += 4
        elif code == 0x68:  # BINGET
            stack.append(memo[data[at]])
            at += 1
        elif code == 0x6A:  # LONG_BINGET
            stack.append(memo[int.from_bytes(data[at : at + 4], "little")])
            at += 4
        elif code in _FIXED:  # numbers: how many bytes follow
            stack.append(int.from_bytes(data[at : at + _FIXED[code]], "little"))
            at += _FIXED[code]
        elif code == 0x58:  # BINUNICODE
            (length,) = struct.unpack_from("<I", data, at)
            at += 4 + length
            stack.append(data[at - length : at].decode("utf-8", "surrogatepass"))
        elif code in (0x55, 0x8A):  # SHORT_BINSTRING, LONG1
            value = data[at + 1 : at + 1 + data[at]]
            at += 1 + data[at]
            stack.append(value if code == 0x55 else int.from_bytes(value, "little", signed=True))
        elif code == 0x28:  # MARK
            marked.append(stack)
            stack = []
        elif code == 0x74:  # TUPLE
            items, stack = stack, marked.pop()
            stack.append(_Tuple(items))
        elif 0x85 <= code <= 0x87:  # TUPLE1 to TUPLE3
            items = stack[0x84 - code :]
            stack[0x84 - code :] = [_Tuple(items)]
        elif code == 0x29:  # EMPTY_TUPLE
            stack.append(_Tuple(()))
        elif code in (0x5D, 0x7D, 0x8F, 0x4E, 0x88, 0x89):  # [], {}, a set, None, True, False
            stack.append(_OTHER)
        elif code in (0x61, 0x62):  # APPEND, BUILD
            stack.pop()
        elif code == 0x73:  # SETITEM
            del stack[-2:]
        elif code in (0x65, 0x75):  # APPENDS, SETITEMS
            stack = marked.pop()
        elif code == 0x63:  # GLOBAL
            ends = data.index(b"\n", at), data.index(b"\n", data.index(b"\n", at) + 1)
            module, name = data[at : ends[0]].decode(), data[ends[0] + 1 : ends[1]].decode()
            stack.append(_Global(f"{module}.{name}"))
            at = ends[1] + 1
        elif code in (0x52, 0x81):  # REDUCE, NEWOBJ
            given = stack.pop()
            _check_call(stack[-1], given)
            stack[-1] = _OTHER
            calls += 1
            if calls > MOST_CALLS:
                raise Refused(f"it makes more than {MOST_CALLS:,} tensors and other objects")
        elif code == 0x51:  # BINPERSID
            # one record under several names would be loaded several times
            key = stack.pop().items[2]
            same = names.setdefault(str(key).casefold(), key)
            if type(key) not in (str, bytes, int) or (type(same), same) != (type(key), key):
                raise Refused(DAMAGED)
            stack.append(_OTHER)
        elif code == 0x80:  # PROTO
            at += 1
        elif code == 0x2E:  # STOP
            return at
        else:
            raise Refused(DAMAGED)
    raise Refused(f"it is made in more than {MOST_STEPS:,} steps")


_FIXED = {0x4B: 1, 0x4D: 2, 0x4A: 4, 0x47: 8}  # BININT1, BININT2, BININT, BINFLOAT


def _check_call(function, given):
    name = function.name if type(function) is _Global else "a call"
    # texts are encoded so in pickles of Python 3 for Python 2; other codecs may take for ever
    encodes = name == "_codecs.encode"
    if name not in _CALLABLE or (encodes and given.items[1:] != ["latin1"]):
        raise Refused("a call", code=name)
