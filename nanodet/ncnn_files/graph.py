"""An ncnn graph (``.param``, the text form) as data: read, changed, written.

ncnn itself ends the process on many graphs it cannot understand. What is read here has been
checked: counts, names, and that every blob is made before it is used.
"""

import re
from dataclasses import dataclass, field, replace

import numpy as np

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import PARAM, read_text

MAGIC = "7767517"
_ARRAY = 23300  # an array under key k is written as -23300-k=length,value,value
SHAPE_HINT = -_ARRAY - 30
_HINTS = SHAPE_HINT, 31  # and the key of a mask of features
_LONGEST_NAME, _LONGEST_VALUE = 255, 15  # bytes, ncnn's buffers
_MOST = 100_000  # layers or blobs
_KEYS = 32  # ncnn keeps so many parameters, and writes elsewhere for others
WHOLE = re.compile(r"-?[0-9]{1,10}")
# more digits overflow in ncnn's reader, which then has another number
_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{0,9})?([eE][+-]?[0-9]{1,2})?")
_COUNT = re.compile(r"[0-9]{1,9}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BLANKS = " \t"  # str.split takes others too, ncnn does not


@dataclass
class Layer:
    """One line of the graph.

    Attributes:
        kind: ncnn's layer type, such as ``Convolution``.
        name: unique in the graph.
        inputs, outputs: names of blobs.
        values: parameter key to its text as in the file; arrays under the key -23300 - k.
    """

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    values: dict[int, str] = field(default_factory=dict)

    def whole(self, key: int, default: int = 0) -> int:
        """Return the whole number under ``key``; `NanodetError` where it is none."""
        text = str(self.values.get(key, default))
        if not WHOLE.fullmatch(text):
            raise NanodetError(f"layer {self.name}: {key}={text}: must be a whole number")
        return int(text)

    def number(self, key: int, default: float = 0.0) -> float:
        """Return the number under ``key``; `NanodetError` where it is none."""
        text = str(self.values.get(key, default))
        try:
            value = float(text)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise NanodetError(f"layer {self.name}: {key}={text}: must be a number")
        return value

    def numbers(self, key: int) -> np.ndarray:
        """Return the array under ``key``, float64 (N,); empty where there is none."""
        if -_ARRAY - key in self.values:
            _, *items = self.values[-_ARRAY - key].split(",")
            return np.array([float(item) for item in items])
        items = self.values.get(key, "").split(",")
        return np.array([float(item) for item in items if item])

    def to_line(self) -> str:
        """Return the line of the file, in the columns of ncnn's own writers."""
        parts = [*self.inputs, *self.outputs, *(f"{k}={v}" for k, v in self.values.items())]
        start = f"{self.kind:<24} {self.name:<24} {len(self.inputs)} {len(self.outputs)}"
        return " ".join([start, *parts])


@dataclass
class Graph:
    """The layers of a model in the order in which ncnn runs them."""

    layers: list[Layer]

    @classmethod
    def load(cls, path: StrPath) -> "Graph":
        """Read the ``.param`` file at ``path``.

        Raises:
            NanodetError: unreadable, or not a graph; names the file and the line.
        """
        try:
            return cls.parse(read_text(path, PARAM), str(path))
        except UnicodeDecodeError:
            raise NanodetError(f"{path}: not an ncnn param file (it is not text)") from None

    @classmethod
    def parse(cls, text: str, file: StrPath) -> "Graph":
        """Read the text of a ``.param``; ``file`` names it in messages."""
        lines = _lines(text, file)
        if not lines or lines[0].strip(_BLANKS) != MAGIC:
            raise NanodetError(f"{file}: not an ncnn param file (it does not start with {MAGIC})")
        counts = _words(lines[1]) if len(lines) > 1 else []
        if len(counts) != 2 or not all(_is_count(c) and int(c) > 0 for c in counts):
            raise NanodetError(f"{file}: line 2: must be the numbers of layers and of blobs")
        layer_count, blob_count = map(int, counts)
        layers = lines[2 : 2 + layer_count]  # ncnn, too, ignores what follows
        if len(layers) != layer_count:
            raise NanodetError(
                f"{file}: has {len(layers)} layers, but its second line says {layer_count} "
                "(is it truncated?)"
            )
        graph = cls([_parse_layer(line, f"{file}: line {n}") for n, line in enumerate(layers, 3)])
        graph.check(file)
        if len(graph.blobs()) > blob_count:
            raise NanodetError(
                f"{file}: has {len(graph.blobs())} blobs, but its second line says {blob_count}"
            )
        return graph

    def check(self, file: StrPath) -> None:
        """Raise `NanodetError` unless names are unique and blobs made before they are used."""
        names, made, used = set(), set(), set()
        for layer in self.layers:
            if layer.name in names:
                raise NanodetError(f"{file}: layer {layer.name}: this name occurs twice")
            names.add(layer.name)
            for blob in layer.inputs:
                if blob not in made:
                    raise NanodetError(
                        f"{file}: layer {layer.name}: its input {blob} is made by no layer before it"
                    )
                if blob in used:  # ncnn wants a Split layer there
                    raise NanodetError(
                        f"{file}: layer {layer.name}: its input {blob} is another layer's input too"
                    )
                used.add(blob)
            for blob in layer.outputs:
                if blob in made:
                    raise NanodetError(
                        f"{file}: layer {layer.name}: its output {blob} is another layer's too"
                    )
                made.add(blob)

    def without_hints(self) -> "Graph":
        """Return a copy without hints at shapes, which ncnn would believe, and masks of features.

        What a mask lets a layer do in another precision than its neighbours, ncnn does not convert
        everywhere: in bfloat16 the layer reads beyond what it is given.
        """
        layers = [
            replace(layer, values={k: v for k, v in layer.values.items() if k not in _HINTS})
            for layer in self.layers
        ]
        return Graph(layers)

    def blobs(self) -> list[str]:
        """Return the names of all blobs in the order in which they are made."""
        return [blob for layer in self.layers for blob in layer.outputs]

    def inputs(self) -> list[str]:
        """Return the names of the blobs that a user of the model fills."""
        return [blob for layer in self.layers if layer.kind == "Input" for blob in layer.outputs]

    def outputs(self) -> list[str]:
        """Return the names of the blobs that no layer takes."""
        used = {blob for layer in self.layers for blob in layer.inputs}
        return [blob for blob in self.blobs() if blob not in used]

    def producers(self) -> dict[str, Layer]:
        """Return the layer that makes each blob: name of the blob to `Layer`."""
        return {blob: layer for layer in self.layers for blob in layer.outputs}

    def consumers(self) -> dict[str, Layer]:
        """Return the layer that takes each blob: name of the blob to `Layer`."""
        return {blob: layer for layer in self.layers for blob in layer.inputs}

    def to_text(self) -> str:
        """Return the text of the ``.param``."""
        lines = [MAGIC, f"{len(self.layers)} {len(self.blobs())}"]
        return "\n".join([*lines, *(layer.to_line() for layer in self.layers)]) + "\n"


def _lines(text: str, file: StrPath) -> list[str]:
    """Return the lines that say something; refuse characters that not every reader takes alike."""
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if _CONTROL.search(line):
            raise NanodetError(f"{file}: line {number}: holds a control character")
        if line.strip(_BLANKS):
            lines.append(line)
    return lines


def _words(line: str) -> list[str]:
    return re.findall(rf"[^{_BLANKS}]+", line)


def _is_count(text: str) -> bool:
    return bool(_COUNT.fullmatch(text)) and int(text) < _MOST


def _parse_layer(line: str, where: str) -> Layer:
    words = _words(line)
    counts = words[2:4]
    if len(counts) != 2 or not all(map(_is_count, counts)):
        raise NanodetError(f"{where}: must be kind, name, number of inputs, number of outputs, ...")
    inputs, outputs = map(int, counts)
    blobs, rest = words[4 : 4 + inputs + outputs], words[4 + inputs + outputs :]
    if len(blobs) != inputs + outputs or any("=" in blob for blob in blobs):
        raise NanodetError(
            f"{where}: names fewer blobs than its {inputs} inputs and {outputs} outputs"
        )
    if max(len(name.encode()) for name in [*words[:2], *blobs]) > _LONGEST_NAME:
        raise NanodetError(f"{where}: a name is longer than {_LONGEST_NAME} characters")
    values = {}
    for word in rest:
        key, _, value = word.partition("=")
        if not WHOLE.fullmatch(key) or not _is_value(int(key), value):
            raise NanodetError(f"{where}: {word[:40]!r} is not a parameter such as 0=24")
        values[int(key)] = value
    return Layer(words[0], words[1], blobs[:inputs], blobs[inputs:], values)


def _is_value(key: int, text: str) -> bool:
    """Tell whether ncnn reads ``key=text``: a number, an array with its length first, or a text."""
    is_array = key <= -_ARRAY
    if not 0 <= (-_ARRAY - key if is_array else key) < _KEYS:
        return False
    if re.match('["A-Za-z]', text):
        return not is_array
    items = text.split(",")
    if is_array and not (WHOLE.fullmatch(items[0]) and int(items[0]) == len(items) - 1):
        return False
    return all(len(item) <= _LONGEST_VALUE and _is_number(item) for item in items)


def _is_number(text: str) -> bool:
    if WHOLE.fullmatch(text):
        return -(1 << 31) <= int(text) < 1 << 31
    return bool(_NUMBER.fullmatch(text)) and abs(float(text)) < 3e38
