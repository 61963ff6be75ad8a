"""Refuses dangerous contents of an ONNX file before an engine reads it.

A detector's network is a list of operations on tensors that are stored in its file. Graphs inside a
graph (Loop, If, Scan, ...) may run forever, functions hide them, and tensors in other files make an
engine open any file that a stranger has named. The file format is Protocol Buffers:
https://protobuf.dev/programming-guides/encoding, the numbers of the fields are those of onnx.proto3.
"""

from collections.abc import Iterator
from typing import Any

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import ONNX, read_bytes
from nanodet.text.brief import LONGEST, brief

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # kinds of fields
_LARGEST = (1 << 64) - 1
_OP_TYPE = 4
_MOST_FIELDS = 1 << 20  # takes about a second; a detector has a few thousand
# message: field to the kind of message in it, or to the reason why it is refused
_SUBGRAPH = "contains a subgraph, which may run forever"
_EXTERNAL = "has values in another file; onnx.save(onnx.load(FILE), ONE_FILE) writes all into one"
_TENSOR = {13: _EXTERNAL, 14: _EXTERNAL}
_SPARSE = {1: _TENSOR, 2: _TENSOR}
_ATTRIBUTE = {5: _TENSOR, 10: _TENSOR, 22: _SPARSE, 23: _SPARSE, 6: _SUBGRAPH, 11: _SUBGRAPH}
_NODE = {5: _ATTRIBUTE}
_GRAPH = {1: _NODE, 5: _TENSOR, 15: _SPARSE}
_MODEL = {
    7: _GRAPH,
    20: "has graphs for training: export it for inference",
    25: "defines functions, which may run forever: export it without",
}


def check_onnx(path: StrPath) -> None:
    """Raise `NanodetError` unless an ONNX file is one list of operations, with all its tensors.

    It takes milliseconds. The engine checks the operations themselves.
    """
    data = read_bytes(path, ONNX)
    if not data:
        raise NanodetError(f"{path}: not a usable ONNX model (this file is empty)")
    try:
        _Check(data, path).check(0, len(data), _MODEL)
    except ValueError as error:
        raise NanodetError(
            f"{path}: not a usable ONNX model (its form is damaged: {error})"
        ) from None


class _Check:
    """Walks through the bytes of one file."""

    def __init__(self, data: bytes, path: StrPath) -> None:
        self._data, self._path, self._left = data, path, _MOST_FIELDS

    def check(self, at: int, end: int, message: dict[int, Any], node: str = "") -> None:
        """Check the fields of a message from ``at`` to ``end``."""
        if message is _NODE:
            node = f"operation {brief(self._op_type(at, end))} "
        for number, kind, begin, stop in self._fields(at, end):
            inside = message.get(number)
            if isinstance(inside, str):
                # a tensor may state that its values are in this file: 0 in field 14
                if kind != _VARINT or self._varint(begin, end)[0]:
                    raise NanodetError(f"{self._path}: {node}{inside}")
            elif inside is not None and kind == _BYTES:
                self.check(begin, stop, inside, node)

    def _op_type(self, at: int, end: int) -> str:
        found = b""
        for number, kind, begin, stop in self._fields(at, end):
            if number == _OP_TYPE and kind == _BYTES:
                found = self._data[begin : min(stop, begin + LONGEST)]
        return found.decode("utf-8", "replace")

    def _fields(self, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield (number, kind, begin, end) of the fields between two positions."""
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise ValueError(f"more than {_MOST_FIELDS:,} fields")
            key, begin = self._varint(at, end)
            if not 8 <= key < 1 << 32:  # engines use the lower half of a larger one
                raise ValueError(f"a field of number {key >> 3}")
            kind = key & 7
            if kind == _VARINT:
                at = self._varint(begin, end)[1]
            elif kind == _BYTES:
                size, begin = self._varint(begin, end)
                at = begin + size
            elif kind in (_FIXED64, _FIXED32):
                at = begin + (8 if kind == _FIXED64 else 4)
            else:
                raise ValueError(f"a field of kind {kind}")
            if at > end:
                raise ValueError("a field is longer than what it lies in")
            yield key >> 3, kind, begin, at

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """Return a number stored with 7 bits per byte, and its end."""
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                raise ValueError("it ends in a number")
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & _LARGEST, at
        raise ValueError("a number is too long")
