"""One interface for model files made elsewhere, whichever the engine."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import sha256, write_text
from nanodet.files.inputs import SPEC, read_text
from nanodet.ncnn_files.convolutions import convolutions
from nanodet.ncnn_files.flow import is_usual
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.unify import unify as unify_ncnn
from nanodet.ncnn_files.weights import load_weights
from nanodet.runtime.engines import (
    CHECKPOINT,
    NCNN,
    ONNX,
    ModelKind,
    files_of,
    kind_of,
    spec_file,
)
from nanodet.runtime.engines.ncnn import check_graph, load_net, own_mat
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import Spec
from nanodet.runtime.spec_json import MAPS

if TYPE_CHECKING:
    from nanodet.ncnn_files.flow import Convolution
    from nanodet.ncnn_files.layout import Form

# of a convolution: weight, and bias or None
Weights = dict[str, tuple[np.ndarray, np.ndarray | None]]


def open_source(path: StrPath, classes: int | None = None, strict: bool = True) -> Source:
    """Read a model file and tell what it is.

    Args:
        path: of a ``.param`` (its ``.bin`` beside it) or ``.onnx``.
        classes: how many classes it has, where the user knows.
        strict: whether another number than the file tells is refused; else the file's counts.

    Returns:
        `NcnnSource` or `OnnxSource`.

    Raises:
        NanodetError: damaged, or not a NanoDet.
    """
    return _SOURCES[check_kind(path)](Path(path), classes, strict)


def check_kind(path: StrPath) -> ModelKind:
    """Return the kind of an exported model; raise `NanodetError` for any other file."""
    kind = kind_of(path)
    if kind in _SOURCES:
        return kind
    if kind is CHECKPOINT:
        raise NanodetError(
            f"{path}: is a checkpoint already: nanodet info, eval, train and export take it as it is"
        )
    for one in _SOURCES:
        if Path(path).suffix.lower() in one.companions:
            model = Path(path).with_suffix(one.suffixes[0])
            raise NanodetError(f"{path}: is a part of {one.name}: give its {model.name} instead")
    known = ", ".join(suffix for one in _SOURCES for suffix in one.suffixes)
    raise NanodetError(f"{path}: is not a model file that can be read; known: {known}")


class NcnnSource:
    """An ncnn model as it was found.

    Attributes:
        path: of the ``.param``.
        files: its files.
        form: its `nanodet.ncnn_files.layout.Form`.
        graph: in the form that runs here; weights: as they are.
        any_size: whether it takes every size.
        engine: what runs it, in words.
    """

    any_size, engine = True, "ncnn"

    def __init__(self, path: Path, classes: int | None = None, strict: bool = True) -> None:
        self.path, self.files = path, tuple(files_of(path))
        self._given = check_graph(*self.files)
        classes = _classes_of(_spec_beside(path), self._given.outputs(), classes, strict, path)
        self.graph, self.form = unify_ncnn(self._given, path, classes=classes, strict=strict)
        self.weights = load_weights(self.files[1], self.graph, path)
        self.form = dataclasses.replace(self.form, usual=is_usual(self.convolutions()))

    def write(self, folder: Path, stem: str, spec: Spec) -> Path:
        """Write the model in the form that runs, and its spec; return the path."""
        param = folder / f"{stem}.param"
        write_text(param, self.graph.to_text())
        shutil.copyfile(self.files[1], param.with_suffix(".bin"))
        _save_spec(spec, param, param.with_suffix(".bin"))
        return param

    def run_as_found(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        """Return what the file as it was found gives: name of the output to array."""
        graph = Graph([layer for layer in self._given.layers if layer.kind != "Noop"])
        param, weights = self.files
        net = load_net(graph, param, weights)
        extractor = net.create_extractor()
        extractor.set_light_mode(False)
        extractor.input(graph.inputs()[0], own_mat(tensor[0]))
        names = [part.name for group in self.form.groups for part in group]
        return {name: np.array(extractor.extract(name)[1]) for name in names}

    def spec(self) -> Spec | None:
        """Return the spec that came with it, None without one that can be read."""
        return _spec_beside(self.path)

    @property
    def quality(self) -> QualityPredictor | None:
        """The quality predictor in its spec, None without one that describes it."""
        return _quality_of(self.spec(), self.form)

    def class_names(self) -> list[str] | None:
        """Return the class names in its spec, None without one of as many classes."""
        return _names_of(self.spec(), self.form)

    def convolutions(self) -> list[Convolution]:
        """Return its `nanodet.ncnn_files.flow.Convolution`s in order."""
        return convolutions(self.graph)

    def convolution_weights(self) -> Weights:
        """Return their weights: name to (weight, bias or None), float32 arrays.

        Raises:
            NanodetError: they are int8.
        """
        for name, parts in self.weights.items():
            stored = parts.get("weight")
            if stored is not None and (stored.storage == "int8" or "weight_scales" in parts):
                raise NanodetError(
                    f"{self.path}: layer {name}: is int8, too coarse to train on: import the fp32 or "
                    "fp16 files of this model"
                )
        return {
            name: (parts["weight"].values, parts["bias"].values if "bias" in parts else None)
            for name, parts in self.weights.items()
            if "weight" in parts
        }

    def maps(self, backend: Any, tensor: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
        """Return what some blobs of the form that runs are for a tensor, without batch."""
        extractor = backend.net.create_extractor()
        extractor.set_light_mode(False)
        extractor.input(backend.spec.input_name, own_mat(tensor[0]))
        return [np.array(extractor.extract(name)[1]) for name in names]


class OnnxSource:
    """An ONNX model as it was found; see `NcnnSource`.

    Attributes:
        model: an ``onnx.ModelProto`` in the form that runs here.
    """

    engine = "ONNX Runtime"

    def __init__(self, path: Path, classes: int | None = None, strict: bool = True) -> None:
        from nanodet.onnx_files.graph import load_onnx
        from nanodet.onnx_files.metadata import read_spec
        from nanodet.onnx_files.unify import unify

        self.path, self.files = path, (path,)
        self._given = load_onnx(path)
        spec, names = read_spec(self._given, path), [one.name for one in self._given.graph.output]
        classes = _classes_of(spec or _spec_beside(path), names, classes, strict, path)
        self.model, self.form = unify(self._given, path, classes, strict)
        self.any_size = self.form.size is None
        self.form = dataclasses.replace(self.form, usual=is_usual(self.convolutions()))

    def write(self, folder: Path, stem: str, spec: Spec) -> Path:
        import onnx

        from nanodet.onnx_files.metadata import write_spec

        path = folder / f"{stem}.onnx"
        onnx.save(self.model, path)
        write_spec(path, spec)
        _save_spec(spec, path)
        return path

    def run_as_found(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        from nanodet.onnx_files.graph import run

        names = [part.name for group in self.form.groups for part in group]
        found = run(self._given, self.path, tensor, names)
        return dict(zip(names, found, strict=True))

    def spec(self) -> Spec | None:
        from nanodet.onnx_files.metadata import read_spec

        inside = read_spec(self._given, self.path)
        return inside if _names_of(inside, self.form) else _spec_beside(self.path)

    @property
    def quality(self) -> QualityPredictor | None:
        return _quality_of(self.spec(), self.form)

    def class_names(self) -> list[str] | None:
        return _names_of(self.spec(), self.form)

    def convolutions(self) -> list[Convolution]:
        from nanodet.onnx_files.convolutions import convolutions

        return convolutions(self.model)

    def convolution_weights(self) -> Weights:
        from nanodet.onnx_files.convolutions import weights_of

        return weights_of(self.model, self.path)

    def maps(self, backend: Any, tensor: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
        from nanodet.onnx_files.graph import run

        return [array[0] for array in run(self.model, self.path, tensor, names)]


def _spec_beside(path: Path) -> Spec | None:
    """Return the spec that came with a file, None without one; other JSON files may have its name.

    Raises:
        NanodetError: it is a damaged spec.
    """
    beside = spec_file(path)
    try:
        text = read_text(beside, SPEC)
    except (NanodetError, UnicodeDecodeError):
        return None
    return Spec.from_json(text, beside) if '"class_names"' in text else None


def _classes_of(
    spec: Spec | None, outputs: Sequence[str], named: int | None, strict: bool, file: Path
) -> int | None:
    """Return how many classes a file has, if that is known: no sigmoid tells it of the layout ``maps``.

    Args:
        spec: found inside or beside the file.
        outputs: names of the file's outputs; the spec may be that of another one.
        named, strict: as ``classes`` and ``strict`` of `open_source`.
    """
    if spec is None or spec.layout != MAPS or not set(spec.output_names) <= set(outputs):
        return named
    count = len(spec.class_names)
    if strict and named not in (None, count):
        raise NanodetError(f"{file}: has {count} classes by its spec, but {named} were named")
    return count


def describes(spec: Spec, form: Form) -> bool:
    """Return whether a spec may be that of a file: as many classes, the same strides and bins."""
    outputs = (len(spec.class_names), spec.strides, spec.bins.count - 1)
    return outputs == (form.classes, form.strides, form.reg_max)


def _quality_of(spec: Spec | None, form: Form) -> QualityPredictor | None:
    return spec.quality if spec is not None and describes(spec, form) else None


def _names_of(spec: Spec | None, form: Form) -> list[str] | None:
    return list(spec.class_names) if spec and len(spec.class_names) == form.classes else None


def _save_spec(spec: Spec, *files: Path) -> None:
    hashes = {file.name: sha256(file) for file in files}
    dataclasses.replace(spec, files=hashes).save(spec_file(files[0]))


Source = NcnnSource | OnnxSource
_SOURCES: dict[ModelKind, type[Source]] = {NCNN: NcnnSource, ONNX: OnnxSource}
