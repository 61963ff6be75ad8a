"""The spec: one JSON beside (or inside) each exported model that says all a user of it must know."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nanodet.errors import NanodetError
from nanodet.runtime.files import write_text
from nanodet.runtime.fit import ALIGNMENT, FITS

FORMAT = 1
ONNX_METADATA_KEY = "nanodet"


@dataclass
class Spec:
    """What a model takes and gives.

    Attributes:
        class_names: the name of each class.
        input_size: (width, height) the model was exported for, in pixels.
        fit: how pictures are fitted into it, see `nanodet.runtime.fit.place`.
        mean, std: per channel in grey levels, in ``colour_order``.
        strides: network pixels per point of each level, ascending.
        reg_max: edges are distributions over 0..reg_max, in units of the stride.
        point_offset: point (row i, column j) of stride s sits at ((j + offset) s, (i + offset) s).
        score, nms_iou, per_level, per_picture: default thresholds for detection.
        model: name of the architecture.
        any_size: whether the file also takes other sizes that are multiples of 32.
        files: file name to SHA-256.
        source: where the model came from.
        measured: what was measured on it, free form.
    """

    class_names: tuple
    input_size: tuple = (320, 320)
    fit: str = "letterbox"
    colour_order: str = "bgr"
    mean: tuple = (103.53, 116.28, 123.675)
    std: tuple = (57.375, 57.12, 58.395)
    strides: tuple = (8, 16, 32)
    reg_max: int = 7
    point_offset: float = 0.5
    input_name: str = "data"
    output_name: str = "output"
    score: float = 0.35
    nms_iou: float = 0.6
    per_level: int = 1000
    per_picture: int = 100
    model: str = "nanodet-m"
    any_size: bool = False
    files: dict = field(default_factory=dict)
    source: dict = field(default_factory=dict)
    measured: dict = field(default_factory=dict)

    @property
    def channels(self):
        """Values per point: class scores, then four distributions of reg_max + 1."""
        return len(self.class_names) + 4 * (self.reg_max + 1)

    def level_sizes(self, input_size):
        """Return (columns, rows) of each level for a network input of (width, height)."""
        width, height = input_size
        return [(-(-width // s), -(-height // s)) for s in self.strides]

    def point_count(self, input_size):
        """Return the number of points over all levels for an input of (width, height)."""
        return sum(columns * rows for columns, rows in self.level_sizes(input_size))

    def check_output(self, output, input_size, file):
        """Raise `NanodetError` unless ``output`` has the shape this spec describes."""
        expected = (self.point_count(input_size), self.channels)
        if output.shape != expected:
            raise NanodetError(
                f"{file}: its output is {' x '.join(map(str, output.shape))}, but its spec says "
                f"{expected[0]} points x {expected[1]} ({len(self.class_names)} classes + 4 x "
                f"{self.reg_max + 1}) at {input_size[0]} x {input_size[1]}"
            )
        if not np.isfinite(output).all():
            raise NanodetError(f"{file}: its output holds values that are not finite numbers")

    def to_dict(self):
        """Return the JSON form (see docs/spec.md)."""
        width, height = (int(v) for v in self.input_size)
        return {
            "format": FORMAT,
            "model": self.model,
            "class_names": list(self.class_names),
            "input": {
                "name": self.input_name, "width": width, "height": height,
                "any_size": self.any_size, "fit": self.fit, "colour_order": self.colour_order,
                "mean": [float(v) for v in self.mean], "std": [float(v) for v in self.std],
            },
            "output": {
                "name": self.output_name, "strides": [int(v) for v in self.strides],
                "reg_max": int(self.reg_max), "point_offset": float(self.point_offset),
            },
            "thresholds": {
                "score": self.score, "nms_iou": self.nms_iou,
                "per_level": self.per_level, "per_picture": self.per_picture,
            },
            "files": dict(self.files), "source": dict(self.source),
            "measured": dict(self.measured),
        }  # fmt: skip

    def save(self, path):
        """Write the JSON form to ``path``, whole or not at all."""
        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def from_dict(cls, mapping, file):
        """Read the JSON form; ``file`` names it in messages.

        Raises:
            NanodetError: a missing key, a wrong type or an impossible value.
        """
        top = _Reader(mapping, file, "")
        if top.get("format", int) != FORMAT:
            raise NanodetError(
                f"{file}: format: {mapping['format']} is not known; this version reads {FORMAT}"
            )
        into, out = top.sub("input"), top.sub("output")
        limits = top.sub("thresholds")
        spec = cls(
            class_names=tuple(top.list_of("class_names", str)),
            model=top.get("model", str),
            input_name=into.get("name", str),
            input_size=(into.get("width", int), into.get("height", int)),
            any_size=into.get("any_size", bool),
            fit=into.get("fit", str),
            colour_order=into.get("colour_order", str),
            mean=tuple(into.list_of("mean", float)),
            std=tuple(into.list_of("std", float)),
            output_name=out.get("name", str),
            strides=tuple(out.list_of("strides", int)),
            reg_max=out.get("reg_max", int),
            point_offset=out.get("point_offset", float),
            score=limits.get("score", float),
            nms_iou=limits.get("nms_iou", float),
            per_level=limits.get("per_level", int),
            per_picture=limits.get("per_picture", int),
            files=top.get("files", dict),
            source=top.get("source", dict),
            measured=top.get("measured", dict),
        )
        spec.check(file)
        return spec

    @classmethod
    def load(cls, path):
        """Read the JSON file at ``path``."""
        try:
            mapping = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise NanodetError(f"{path}: cannot read this spec ({error.strerror})") from None
        except (ValueError, RecursionError) as error:
            raise NanodetError(f"{path}: this spec is not valid JSON ({error})") from None
        return cls.from_dict(mapping, str(path))

    def check(self, file):
        """Raise `NanodetError` for the first value that cannot work."""
        width, height = self.input_size
        rules = {
            "class_names": (len(self.class_names) >= 1, "must name at least one class"),
            "input.fit": (self.fit in FITS, f"must be one of {', '.join(FITS)}"),
            "input.colour_order": (self.colour_order in ("bgr", "rgb"), "must be bgr or rgb"),
            "input.mean": (len(self.mean) == 3, "must have three values"),
            "input.std": (
                len(self.std) == 3 and min(self.std) > 0,
                "must have three values above 0",
            ),
            "input.width": (32 <= width <= 16384, "must be 32 to 16384"),
            "input.height": (32 <= height <= 16384, "must be 32 to 16384"),
            "output.strides": (
                len(self.strides) >= 1
                and all(1 <= s <= 1024 for s in self.strides)
                and list(self.strides) == sorted(set(self.strides)),
                "must be ascending whole numbers, 1 to 1024",
            ),
            "output.reg_max": (1 <= self.reg_max <= 256, "must be 1 to 256"),
            "thresholds.score": (0 <= self.score <= 1, "must be 0 to 1"),
            "thresholds.nms_iou": (0 <= self.nms_iou <= 1, "must be 0 to 1"),
            "thresholds.per_level": (self.per_level >= 1, "must be at least 1"),
            "thresholds.per_picture": (self.per_picture >= 1, "must be at least 1"),
        }
        for key, (fine, rule) in rules.items():
            if not fine:
                raise NanodetError(f"{file}: {key}: {rule}")

    def at_size(self, input_size):
        """Return a copy for another (width, height)."""
        return dataclasses.replace(self, input_size=tuple(input_size))


def check_input_size(size, name):
    """Raise `NanodetError` unless (width, height) are positive multiples of 32."""
    if min(size) < ALIGNMENT or any(side % ALIGNMENT for side in size):
        raise NanodetError(
            f"{name}: {size[0]}x{size[1]}: width and height must be multiples of {ALIGNMENT}"
        )


class _Reader:
    """Reads keys of one mapping, naming file and key in every complaint."""

    def __init__(self, mapping, file, prefix):
        if not isinstance(mapping, dict):
            where = prefix.rstrip(".") or "the file"
            raise NanodetError(f"{file}: {where}: must be a JSON object")
        self.mapping, self.file, self.prefix = mapping, file, prefix

    def sub(self, key):
        return _Reader(self.get(key, dict), self.file, f"{self.prefix}{key}.")

    def get(self, key, kind):
        if key not in self.mapping:
            raise NanodetError(f"{self.file}: {self.prefix}{key}: this key is missing")
        return self._check(self.mapping[key], kind, key)

    def list_of(self, key, kind):
        values = self.get(key, list)
        return [self._check(value, kind, f"{key}[{i}]") for i, value in enumerate(values)]

    def _check(self, value, kind, key):
        if kind is float and type(value) is int:
            value = float(value) if abs(value) < 1e30 else value
        finite = not isinstance(value, float) or np.isfinite(value)
        if type(value) is not kind or not finite:
            word = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
            expected = word.get(kind, f"a JSON {kind.__name__}")
            raise NanodetError(f"{self.file}: {self.prefix}{key}: must be {expected}")
        return value
