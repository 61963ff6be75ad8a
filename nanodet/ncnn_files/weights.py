"""The weights of an ncnn model (``.bin``) as arrays: read, changed, written.

A ``.bin`` has no directory: which values follow which is said by the graph alone, so a file of the
wrong length is the wrong file. Main weights begin with a tag that names how they are stored; biases
and scales are plain float32.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import DTypeLike

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import WEIGHTS, read_bytes
from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.parameters import KINDS
from nanodet.ncnn_files.weight_parts import QUANTISED, layout

_FP16, _INT8, _FP32 = 0x01306B47, 0x000D4B38, 0x0002C056
_TABLE = 0x00000001  # any other tag than 0 and these: 256 float32 values, then one byte per weight


@dataclass
class Stored:
    """One array of a model.

    Attributes:
        storage: ``fp32``, ``fp16``, ``int8`` or ``table`` (a byte per weight into 256 values);
            ``plain`` for biases and scales.
        data: (N,) float32, float16, int8, uint8 (indices into ``table``), or float32.
        table: float32 (256,) for ``table``, else None.
    """

    storage: str
    data: np.ndarray
    table: np.ndarray | None = None

    @property
    def values(self) -> np.ndarray:
        """The values that ncnn computes with: float32 (N,), or int8 (N,) for ``int8``."""
        if self.table is not None:
            return self.table[self.data]
        return self.data if self.storage == "int8" else self.data.astype(np.float32)

    @property
    def size(self) -> int:
        """Bytes in the file."""
        if self.storage == "plain":
            return 4 * len(self.data)
        width = {"fp32": 4, "fp16": 2}.get(self.storage, 1)
        return 4 + _aligned(width * len(self.data)) + (1024 if self.storage == "table" else 0)


Weights = dict[str, dict[str, Stored]]  # layer to part to array


def load_weights(path: StrPath, graph: Graph, param: StrPath) -> Weights:
    """Read the ``.bin`` at ``path`` as ``graph`` lays it out; see `parse_weights`."""
    # most that is stored so: a tag, a table and 32 bits for each value
    most = sum(1028 + 4 * part.length for layer in graph.layers for part in layout(layer, param))
    kind = WEIGHTS._replace(most=min(most, WEIGHTS.most))
    return parse_weights(read_bytes(path, kind), graph, str(path), str(param))


def load_known_weights(path: StrPath, graph: Graph, param: StrPath) -> Weights:
    """Read the ``.bin`` at ``path`` as `load_weights` does, up to the first layer not known here.

    What such a layer keeps, and where that ends, ncnn alone can tell.
    """
    first = list(takewhile(lambda layer: layer.kind in KINDS, graph.layers))
    if len(first) == len(graph.layers):
        return load_weights(path, graph, param)
    data = read_bytes(path, WEIGHTS)
    known = [layer for layer in graph.layers if layer.kind in KINDS]
    # a weight takes a byte at least, what is not tagged four
    parts = [part for layer in known for part in layout(layer, param)]
    least = sum(4 + part.length if part.tagged else 4 * part.length for part in parts)
    if least > len(data):
        raise NanodetError(
            f"{path}: is {len(data)} bytes long, but {param} has weights for {least} at least: these "
            "two files do not belong together"
        )
    return _parse(data, first, str(path), str(param))[0]


def parse_weights(data: bytes, graph: Graph, file: StrPath, param: StrPath) -> Weights:
    """Read the bytes of a ``.bin``.

    Args:
        data: bytes.
        graph: the `nanodet.ncnn_files.graph.Graph` they belong to.
        file, param: name both files in messages.

    Returns:
        name of the layer to part to `Stored`; layers without weights are left out.

    Raises:
        NanodetError: too short, too long, or values that are not finite.
    """
    weights, end = _parse(data, graph.layers, file, param)
    if end != len(data):
        raise NanodetError(
            f"{file}: is {len(data)} bytes long, but {param} has weights for {end}: these two files "
            "do not belong together"
        )
    return weights


def _parse(
    data: bytes, layers: Iterable[Layer], file: StrPath, param: StrPath
) -> tuple[Weights, int]:
    """Return the weights of some layers, as `parse_weights` does, and where they end."""
    weights: Weights = {}
    at = 0
    for layer in layers:
        for part, count, tagged in layout(layer, param):
            where = f"{file}: layer {layer.name}: {part}"
            stored, at = _read(data, at, count, tagged, where)
            if stored.storage == "int8" and not (layer.kind in QUANTISED and layer.whole(8)):
                # ncnn would take the bytes for floats
                raise NanodetError(f"{where}: int8, but {param} has no scales for it")
            fine = np.isfinite(stored.values)
            if part == "weight_scales":  # infinite for a channel of zeros by some converters
                fine |= np.isposinf(stored.values)
            if not fine.all():
                raise NanodetError(f"{where}: holds values that are not finite numbers")
            weights.setdefault(layer.name, {})[part] = stored
    return weights, at


def weights_to_bytes(graph: Graph, weights: Weights) -> bytes:
    """Return the bytes of a ``.bin``; arguments as `parse_weights` takes and gives them."""
    chunks = []
    for layer in graph.layers:
        for part, count, tagged in layout(layer, "graph"):
            stored = weights[layer.name][part]
            if len(stored.data) != count or tagged == (stored.storage == "plain"):
                raise ValueError(
                    f"{layer.name}: {part}: {len(stored.data)} {stored.storage} values"
                )
            chunks.append(_write(stored))
    return b"".join(chunks)


def _read(data: bytes, at: int, count: int, tagged: bool, where: str) -> tuple[Stored, int]:
    def take(length: int) -> bytes:
        nonlocal at
        if at + length > len(data):
            raise NanodetError(
                f"{where}: the file ends here, {at + length - len(data)} bytes too early: it is "
                "truncated, or belongs to another .param"
            )
        at += length
        return data[at - length : at]

    if not tagged:
        return Stored("plain", np.frombuffer(take(4 * count), "<f4").copy()), at
    (tag,) = struct.unpack("<I", take(4))
    if tag == _FP16:
        values = np.frombuffer(take(_aligned(2 * count)), "<f2")[:count]
        return Stored("fp16", values.copy()), at
    if tag == _INT8:
        return Stored("int8", np.frombuffer(take(_aligned(count)), np.int8)[:count].copy()), at
    if tag in (0, _FP32):
        return Stored("fp32", np.frombuffer(take(4 * count), "<f4").copy()), at
    if tag != _TABLE:
        raise NanodetError(
            f"{where}: begins with 0x{tag:08x}, which is no known way to store weights: damaged, or "
            "of another .param"
        )
    table = np.frombuffer(take(1024), "<f4").copy()
    indices = np.frombuffer(take(_aligned(count)), np.uint8)[:count].copy()
    return Stored("table", indices, table), at


def _write(stored: Stored) -> bytes:
    if stored.storage == "plain":
        return stored.data.astype("<f4").tobytes()
    tags = {"fp32": 0, "fp16": _FP16, "int8": _INT8, "table": _TABLE}
    kinds: dict[str, DTypeLike] = {"fp32": "<f4", "fp16": "<f2", "int8": np.int8, "table": np.uint8}
    values = stored.data.astype(kinds[stored.storage]).tobytes()
    table = b"" if stored.table is None else stored.table.astype("<f4").tobytes()
    padding = bytes(_aligned(len(values)) - len(values))
    return struct.pack("<I", tags[stored.storage]) + table + values + padding


def _aligned(length: int) -> int:
    return -(-length // 4) * 4
