"""Checks the pickle of a checkpoint before torch loads it, without executing it.

``weights_only=True`` only calls harmless functions, but some of them take any amount of memory
(``bytearray(10**11)``) or time (the hash of tuples that refer to tuples, as the key of a mapping).
This scanner knows the opcodes that torch knows, and tracks only the necessary facts about values.
"""

import struct
from typing import NamedTuple

from nanodet.model.pickle_calls import (
    DAMAGED,
    Calls,
    Global,
    Made,
    Refused,
    Tuple,
    check_state,
    storage,
)

LONGEST = 8 << 20  # bytes; the pickle of NanoDet with its optimiser's state has 0.3 MB
MOST_STEPS = 1_000_000


class Scanned(NamedTuple):
    """The result of scanning a pickle.

    Attributes:
        end: the position after it.
        storages: the size in bytes of each storage that it refers to, by its key.
    """

    end: int
    storages: dict


def scan(data: bytes, at: int = 0) -> Scanned:
    """Scan one pickle.

    Args:
        data: bytes that contain it.
        at: its start.

    Returns:
        a `Scanned`.

    Raises:
        Refused: torch must not load it.
    """
    try:
        return _scan(data, at)
    except (LookupError, struct.error, UnicodeDecodeError, AttributeError, ValueError) as error:
        raise Refused(DAMAGED, cut_off=isinstance(error, (IndexError, struct.error))) from None


def _scan(data, at):
    stack: list = []
    marked: list = []
    memo: dict = {}
    calls = Calls()
    names: dict = {}
    storages: dict = {}
    odd = None
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
        elif code in _NUMBERS:
            stack.append(_NUMBERS[code].unpack_from(data, at)[0])
            at += _NUMBERS[code].size
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
            stack.append(Tuple(items))
        elif 0x85 <= code <= 0x87:  # TUPLE1 to TUPLE3
            items = stack[0x84 - code :]
            stack[0x84 - code :] = [Tuple(items)]
        elif code == 0x29:  # EMPTY_TUPLE
            stack.append(Tuple(()))
        elif code in _EMPTY:
            stack.append(Made(_EMPTY[code]))
        elif code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code == 0x61:  # APPEND
            stack.pop()
        elif code == 0x62:  # BUILD
            state = stack.pop()
            check_state(stack[-1], state)
        elif code == 0x73:  # SETITEM
            items = stack[-2:]
            del stack[-2:]
            _set(stack[-1], items)
        elif code == 0x65:  # APPENDS
            stack = marked.pop()
        elif code == 0x75:  # SETITEMS
            items, stack = stack, marked.pop()
            _set(stack[-1], items)
        elif code == 0x63:  # GLOBAL
            ends = data.index(b"\n", at), data.index(b"\n", data.index(b"\n", at) + 1)
            module, name = data[at : ends[0]].decode(), data[ends[0] + 1 : ends[1]].decode()
            stack.append(Global(f"{module}.{name}"))
            at = ends[1] + 1
        elif code in (0x52, 0x81):  # REDUCE, NEWOBJ
            given = stack.pop()
            stack[-1] = calls.make(stack[-1], given)
            odd = odd or (stack[-1] if type(stack[-1]) is Made and stack[-1].form else None)
        elif code == 0x51:  # BINPERSID
            key, made = _storage(stack.pop().items)
            # one record under several names would be loaded several times
            same = names.setdefault(str(key).casefold(), key)
            if (type(same), same) != (type(key), key):
                raise Refused(DAMAGED)
            if storages.setdefault(key, made) != made:
                raise Refused(DAMAGED)
            stack.append(made)
        elif code == 0x80:  # PROTO
            at += 1
        elif code == 0x2E:  # STOP
            if odd is not None:
                raise Refused(f"a tensor is {odd.form}, not plain numbers")
            return Scanned(at, {key: one.size * one.width for key, one in storages.items()})
        else:
            raise Refused(DAMAGED)
    raise Refused(f"it is made in more than {MOST_STEPS:,} steps")


_NUMBERS = {  # BININT1, BININT2, BININT, BINFLOAT
    code: struct.Struct(form)
    for code, form in ((0x4B, "B"), (0x4D, "<H"), (0x4A, "<i"), (0x47, ">d"))
}
_EMPTY = {0x5D: "list", 0x7D: "mapping", 0x8F: "set"}
_CONSTANTS = {0x4E: None, 0x88: True, 0x89: False}


def _set(mapping, items):
    """Check the alternating keys and values of a mapping."""
    mapping.size += len(items) // 2
    for key, value in zip(items[::2], items[1::2], strict=True):
        # any number of long integers or tuples could have the same hash
        if not (key is None or type(key) in (str, bytes, bool, float, int, Global)):
            raise Refused(f"a key in it is a {getattr(key, 'kind', 'tuple')}, not text or a number")
        if type(key) is int and not -(1 << 63) <= key < 1 << 63:
            raise Refused("a key in it is a number of more than 64 bits")
        if type(value) is Made and value.form:
            raise Refused(f"{str(key)[:200]} is {value.form}, not plain numbers")


def _storage(items):
    """Return the key of a storage that a pickle refers to, and its `Made`."""
    word, kind, key, _, count, *view = items  # torch before 0.4 wrote views
    if word not in ("storage", b"storage") or view not in ([], [None]):
        raise Refused(DAMAGED)
    if type(key) not in (str, bytes, int):
        raise Refused(DAMAGED)
    return key, storage(kind, count)
