"""The spec: a JSON next to (or in) each exported model with everything needed to run it."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import write_text
from nanodet.files.inputs import SPEC, read_text
from nanodet.files.json_keys import parse_json
from nanodet.runtime.box_codes import BOX_CODES, DISTRIBUTIONS, Bins, BoxCode
from nanodet.runtime.fit import ALIGNMENT, FITS, Size
from nanodet.runtime.options import LARGEST_SIDE, LARGEST_STRIDE, MOST_BATCH
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec_json import BOXES, LAYOUTS, MAPS, ROWS, fields_of, forms, mapping_of
from nanodet.runtime.thresholds import MOST_BOXES, Thresholds
from nanodet.text.names import LONGEST, is_short
from nanodet.text.printable import json_text

Shape = tuple[int | None, ...]  # None stands for a side that is not fixed
# of a network: one array, or of the layout ``maps`` one per level
Output = np.ndarray | Sequence[np.ndarray]

ONNX_METADATA_KEY = "nanodet"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass
class Spec(Thresholds):
    """The inputs and outputs of a model, and its default thresholds.

    Attributes:
        class_names: the name of each class.
        input_size: (width, height) the model was exported for, in pixels.
        fit: how images are fitted into the input, see `nanodet.runtime.fit.place`.
        mean, std: per channel in grey levels, in ``colour_order``.
        strides: network pixels per point of each level, ascending.
        reg_max: edges are distributions over 0..reg_max, in units of the stride.
        bin_spacing: the distance between two bins of a distribution, in units of the stride.
        point_offset: point (row i, column j) of stride s is at ((j + offset) s, (i + offset) s).
        edge_std_factors: per level, what the standard deviations of its edges are multiplied by, from a
            calibration on images (docs/uncertainty.md); None without one.
        score, nms_iou, per_level, per_picture, class_agnostic_nms, class_scores: see
            `nanodet.runtime.thresholds.Thresholds`.
        model: name of the architecture.
        form: the name of a box code in `nanodet.runtime.box_codes.BOX_CODES`, or ``boxes`` (decoded in the
            model: boxes float32 (N, 4), ``xyxy`` in network pixels, scores float32 (N,) and class
            indices int64 (N,), best first).
        layout: of the outputs of a box code: ``rows`` (one of points x channels, class scores after
            sigmoid) or ``maps`` (one per level, channels x rows x columns, class logits before it).
        output_name: the output, what the names of the maps begin with, or the boxes; scores_name,
            labels_name: the other outputs of ``boxes``.
        quality: the predictor whose value decoding multiplies scores by; None for none, or for one in the
            graph of a model that outputs boxes.
        rewriting: how the export rewrote the graph, see `nanodet.export.rewriting.plan.Plan`; None if it
            did not, or for what others wrote.
        batch: images per run; this runtime fills the batch by repeating one image.
        any_size: whether the file also takes other sizes that are multiples of 32.
        files: file name to SHA-256.
        source: where the model came from.
        measured: results measured on it, in free form.
    """

    class_names: tuple[str, ...]
    input_size: Size = (320, 320)
    fit: str = "letterbox"
    colour_order: str = "bgr"
    mean: tuple[float, ...] = (103.53, 116.28, 123.675)
    std: tuple[float, ...] = (57.375, 57.12, 58.395)
    strides: tuple[int, ...] = field(kw_only=True)
    reg_max: int = field(kw_only=True)
    bin_spacing: float = field(default=1.0, kw_only=True)
    point_offset: float = field(kw_only=True)
    input_name: str = "data"
    output_name: str = "output"
    form: str = DISTRIBUTIONS
    layout: str = ROWS
    scores_name: str = "scores"
    labels_name: str = "labels"
    quality: QualityPredictor | None = None
    edge_std_factors: tuple[float, ...] | None = None
    rewriting: dict[str, Any] | None = None
    model: str = "nanodet-m"
    batch: int = 1
    any_size: bool = False
    files: dict[str, str] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """Values per point: class scores, then those of the box code."""
        return len(self.class_names) + self.box_code.channels(self.bins)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        if self.form == BOXES:
            return self.output_name, self.scores_name, self.labels_name
        if self.layout == MAPS:
            return tuple(f"{self.output_name}_{stride}" for stride in self.strides)
        return (self.output_name,)

    @property
    def box_code(self) -> BoxCode:
        """How the edges are encoded, also inside a model that outputs boxes."""
        return BOX_CODES[DISTRIBUTIONS if self.form == BOXES else self.form]

    @property
    def bins(self) -> Bins:
        """The distances over which edges are distributed."""
        return Bins(self.reg_max, self.bin_spacing)

    def edge_distances(self, values: np.ndarray) -> np.ndarray:
        """Return the distances left, top, right, bottom in strides: (N, box code's channels) to (N, 4)."""
        return self.box_code.distances(values, self.bins)

    def edge_variances(self, values: np.ndarray) -> np.ndarray:
        """Return the variances of the edges in squared strides, in the shapes of `edge_distances`."""
        return self.box_code.variances(values, self.bins)

    def edge_stds(self, values: np.ndarray, level: np.ndarray) -> np.ndarray:
        """Return the standard deviations of the edges in network pixels, calibrated if the spec is.

        Args:
            values: float32 (N, box code's channels).
            level: int (N,), index of the level of each point.

        Returns:
            float32 (N, 4): left, top, right, bottom.
        """
        units = np.multiply(self.strides, self.edge_std_factors or 1).astype(np.float32)
        stds: np.ndarray = np.sqrt(self.edge_variances(values))
        return stds * units[level, None]

    def check_uncertainty(self, file: object, key: str) -> None:
        """Raise `NanodetError` unless detections get ``edge_std``.

        Args:
            file: names the model in messages; key: the option that needs it.
        """
        if self.form == BOXES:
            raise NanodetError(
                f"{file}: {key}: it outputs boxes without the distributions of their edges; use the "
                "model that was exported without --nms"
            )
        if not self.box_code.has_variance:
            raise NanodetError(f"{file}: {key}: its edges ({self.form}) have no standard deviation")

    def level_sizes(self, input_size: Size) -> list[Size]:
        """Return (columns, rows) of each level for a network input of (width, height)."""
        width, height = input_size
        return [(-(-width // s), -(-height // s)) for s in self.strides]

    def point_count(self, input_size: Size) -> int:
        """Return the number of points over all levels for an input of (width, height)."""
        return sum(columns * rows for columns, rows in self.level_sizes(input_size))

    def check_takes(self, size: Size, key: str) -> None:
        """Raise `NanodetError` if a model of a fixed size is to take another (width, height).

        Args:
            key: the option or key that sets it, for messages.
        """
        if not self.any_size and tuple(size) != tuple(self.input_size):
            width, height = self.input_size
            raise NanodetError(f"{key}: the model only takes {width}x{height}")

    def check_output_shape(self, shape: Shape, input_size: Size, file: object) -> None:
        """Raise `NanodetError` unless ``shape`` is that of the output this spec describes.

        Args:
            shape: sides of the output; None stands for one that is not fixed.
            input_size: (width, height) of the network's input.
            file: names the model in messages.
        """
        if self.form == BOXES:
            expected: Shape = (None, 6)
            words = "boxes x 6 (xyxy, score, class)"
        else:
            expected = (self.point_count(input_size), self.channels)
            words = f"{expected[0]} points x {self._channel_words}"
        if not fits(shape, expected):
            raise NanodetError(
                f"{file}: its output is {format_shape(shape)}, but its spec says {words} at "
                f"{input_size[0]} x {input_size[1]}"
            )

    @property
    def _channel_words(self) -> str:
        edges = self.box_code.channels(self.bins) // 4
        return f"{self.channels} ({len(self.class_names)} classes + 4 x {edges})"

    def check_output(self, output: Output, input_size: Size, file: object) -> None:
        """Raise `NanodetError` unless ``output`` has the shape this spec describes, or its rows do."""
        if not isinstance(output, np.ndarray):
            channels, sizes = self.channels, self.level_sizes(input_size)
            for level, (one, (columns, rows)) in enumerate(zip(output, sizes, strict=True)):
                if one.shape != (channels, rows, columns):
                    self.check_map_shape(one.shape, level, input_size, file)
                _check_finite(one, self, level, file)
            return
        self.check_output_shape(output.shape, input_size, file)
        _check_finite(output, self, None, file)

    def check_map_shape(self, shape: Shape, level: int, input_size: Size, file: object) -> None:
        """Raise `NanodetError` unless ``shape`` is that of the map of a level, see `check_output_shape`.

        Args:
            shape: channels, rows, columns.
            level: its index.
        """
        columns, rows = self.level_sizes(input_size)[level]
        if not fits(shape, (self.channels, rows, columns)):
            raise NanodetError(
                f"{file}: its output {self.output_names[level]} is {format_shape(shape)}, but its spec "
                f"says {self._channel_words} x {rows} x {columns} at {input_size[0]} x {input_size[1]}"
            )

    def check_map(self, output: np.ndarray, level: int, input_size: Size, file: object) -> None:
        """Raise `NanodetError` unless ``output`` can be the map of a level."""
        self.check_map_shape(output.shape, level, input_size, file)
        _check_finite(output, self, level, file)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form (see docs/spec.md)."""
        return mapping_of(self)

    def save(self, path: StrPath) -> None:
        """Write the JSON form to ``path``, completely or not at all."""
        write_text(path, json_text(self.to_dict(), indent=1) + "\n")

    @classmethod
    def from_dict(cls, mapping: object, file: object) -> "Spec":
        """Read the JSON form; ``file`` names it in messages.

        Raises:
            NanodetError: a missing key, a wrong type or an impossible value.
        """
        spec = cls(**fields_of(mapping, file))
        spec.check(file)
        return spec

    @classmethod
    def load(cls, path: StrPath) -> "Spec":
        """Read the JSON file at ``path``."""
        try:
            text = read_text(path, SPEC)
        except UnicodeDecodeError:
            raise NanodetError(f"{path}: this spec is not valid JSON (it is not text)") from None
        return cls.from_json(text, str(path))

    @classmethod
    def from_json(cls, text: str, file: object) -> "Spec":
        """Read the JSON form from a text; ``file`` names it in messages."""
        return cls.from_dict(parse_json(text, file, "this spec"), file)

    def check(self, file: object) -> None:
        """Raise `NanodetError` for the first value that cannot work."""
        width, height = self.input_size
        rules = {
            "class_names": (
                1 <= len(self.class_names) <= 65536 and all(map(is_short, self.class_names)),
                f"must name 1 to 65536 classes, each in at most {LONGEST} bytes",
            ),
            "input.fit": (self.fit in FITS, f"must be one of {', '.join(FITS)}"),
            "input.colour_order": (self.colour_order in ("bgr", "rgb"), "must be bgr or rgb"),
            "input.mean": (
                len(self.mean) == 3 and all(abs(v) <= 1e4 for v in self.mean),
                "must have three values, -10000 to 10000",
            ),
            "input.std": (
                len(self.std) == 3 and all(1e-3 <= v <= 1e4 for v in self.std),
                "must have three values, 0.001 to 10000",
            ),
            "input.width": (32 <= width <= LARGEST_SIDE, f"must be 32 to {LARGEST_SIDE}"),
            "input.height": (32 <= height <= LARGEST_SIDE, f"must be 32 to {LARGEST_SIDE}"),
            "input.batch": (1 <= self.batch <= MOST_BATCH, f"must be 1 to {MOST_BATCH}"),
            "output.form": (self.form in forms(), f"must be one of {', '.join(forms())}"),
            "output.layout": (
                self.layout in LAYOUTS and (self.layout == ROWS or self.form != BOXES),
                "must be rows" if self.form == BOXES else f"must be one of {', '.join(LAYOUTS)}",
            ),
            "output.strides": (
                1 <= len(self.strides) <= 16
                and all(1 <= s <= LARGEST_STRIDE for s in self.strides)
                and list(self.strides) == sorted(set(self.strides)),
                f"must be 1 to 16 ascending whole numbers, 1 to {LARGEST_STRIDE}",
            ),
            "output.reg_max": (1 <= self.reg_max <= 256, "must be 1 to 256"),
            "output.bin_spacing": (not self.bins.problem, self.bins.problem),
            "output.point_offset": (abs(self.point_offset) <= 16, "must be -16 to 16"),
            "output.edge_std_factors": (
                self.edge_std_factors is None
                or (
                    len(self.edge_std_factors) == len(self.strides)
                    and all(1e-6 <= factor <= 1e6 for factor in self.edge_std_factors)
                ),
                f"must be {len(self.strides)} numbers, one per stride, each 0.000001 to 1000000",
            ),
            "thresholds.score": (0 <= self.score <= 1, "must be 0 to 1"),
            "thresholds.nms_iou": (0 <= self.nms_iou <= 1, "must be 0 to 1"),
            "thresholds.per_level": (
                1 <= self.per_level <= MOST_BOXES,
                f"must be 1 to {MOST_BOXES}",
            ),
            "thresholds.per_picture": (
                1 <= self.per_picture <= MOST_BOXES,
                f"must be 1 to {MOST_BOXES}",
            ),
            "thresholds.class_scores": (
                self.class_scores is None
                or (
                    len(self.class_scores) == len(self.class_names)
                    and all(0 <= score <= 1 for score in self.class_scores)
                ),
                f"must be {len(self.class_names)} numbers, one per class, each 0 to 1",
            ),
            "files": (
                all(isinstance(v, str) and _SHA256.fullmatch(v) for v in self.files.values()),
                "must give a SHA-256 of 64 hexadecimal digits for each name",
            ),
        }
        for key, (fine, rule) in rules.items():
            if not fine:
                raise NanodetError(f"{file}: {key}: {rule}")
        if self.class_scores is not None and self.form == BOXES and self.class_agnostic_nms:
            raise NanodetError(
                f"{file}: thresholds.class_scores: a model with class-agnostic NMS in its graph takes one "
                "score for all classes"
            )
        if self.quality is None:
            return
        if self.form != DISTRIBUTIONS:
            raise NanodetError(f"{file}: output.quality: is for the form {DISTRIBUTIONS} only")
        problem = self.quality.problem(self.bins.count)
        if problem:
            raise NanodetError(f"{file}: output.quality.{problem[0]}: {problem[1]}")

    def at_size(self, input_size: Size) -> "Spec":
        """Return a copy for another (width, height)."""
        width, height = input_size
        return dataclasses.replace(self, input_size=(width, height))


def check_input_size(size: Size, name: object) -> None:
    """Raise `NanodetError` unless (width, height) are positive multiples of 32."""
    if min(size) < ALIGNMENT or any(side % ALIGNMENT for side in size):
        raise NanodetError(
            f"{name}: {size[0]}x{size[1]}: width and height must be multiples of {ALIGNMENT}"
        )


def _check_finite(output: np.ndarray, spec: Spec, level: int | None, file: object) -> None:
    if not np.isfinite(output).all():
        name = "" if level is None else f" {spec.output_names[level]}"
        raise NanodetError(f"{file}: its output{name} holds values that are not finite numbers")


def fits(shape: Shape, expected: Shape) -> bool:
    """Return whether a shape is the expected one; None stands for any side, in both."""
    return len(shape) == len(expected) and all(
        None in (side, other) or side == other for side, other in zip(shape, expected, strict=True)
    )


def format_shape(shape: Shape) -> str:
    """Return a shape as text, such as ``2100 x 112``."""
    return " x ".join("any" if side is None else str(side) for side in shape) or "one number"
