"""Finds the models to verify, and opens each as far as possible."""

import importlib.util
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nanodet.config.beside import INTERMEDIATE
from nanodet.errors import NanodetError
from nanodet.export.stages import BOXES, RAW, SIMPLIFIED, STATIC, batch_stage
from nanodet.files import StrPath, inputs
from nanodet.files.files import real_path, sha256
from nanodet.files.incoming import files_in, is_file, read_steadily
from nanodet.files.inputs import absence
from nanodet.hub.models import model_file
from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.parameters import check_parameters
from nanodet.ncnn_files.weights import load_known_weights
from nanodet.quantize.rewrite import Weights
from nanodet.runtime.engines import (
    ENGINES,
    NCNN,
    ONNX,
    Request,
    engines_of,
    files_of,
    kind_of,
    load,
    spec_file,
    suffixes,
)
from nanodet.runtime.engines.backend import Backend
from nanodet.runtime.engines.ncnn import check_files, check_graph, has_fp16_arithmetic
from nanodet.runtime.spec import Spec, check_input_size


@dataclass
class Stage:
    """One way to run one model file.

    Attributes:
        name: as shown in tables.
        path: the model file.
        kind: ``fp32``, ``fp16`` (16-bit weights), ``bf16``, ``fp16 arithmetic`` or ``int8``
            (layers with a byte per weight); read from the contents of an ncnn file.
        engine: of `nanodet.runtime.engines.ENGINES`.
        backend: the loaded model, a `Backend`; None if it could not be loaded.
        failure: why it could not be loaded or run at all, else an empty text.
        skipped: why this machine cannot run it, else an empty text.
        remains: of an ncnn model that could not be loaded: an object with its ``path`` and
            ``graph``, and its ``spec`` or None; None if the graph cannot be read either.
        hash_problem: one line if the files are not those that the spec describes.
    """

    name: str
    path: Path
    kind: str
    engine: str
    backend: Any = None
    failure: str = ""
    skipped: str = ""
    remains: SimpleNamespace | None = None
    hash_problem: str = ""

    @property
    def ends_in_boxes(self) -> bool:
        """Whether decoding is part of the model, which then has no raw output."""
        return self.backend is not None and self.backend.spec.form == "boxes"

    @property
    def takes_batch(self) -> bool:
        """Whether the model takes several images at once."""
        return self.backend is not None and self.backend.spec.batch > 1


def find_models(paths: StrPath | Iterable[StrPath], reference: StrPath | None = None) -> list[Path]:
    """Return the model files that ``paths``, one or several, name: files, and those in folders.

    The ONNX files under the ``intermediate`` folder of an export are included. The reference itself
    is left out.

    Raises:
        NanodetError: a path does not exist, or holds no model.
    """
    found, known = [], ", ".join(suffixes(exported=True))
    for path in map(Path, [paths] if isinstance(paths, (str, os.PathLike)) else paths):
        path = path if path.exists() or is_file(path) else Path(model_file(path))
        if path.is_dir():
            inside = [p for p in files_in(path) if _is_exported(p)]
            inside += [p for p in files_in(path / INTERMEDIATE) if kind_of(p) is ONNX]
            if not inside:
                raise NanodetError(f"{path}: holds no exported model ({known})")
            found += inside
        elif not is_file(path):
            raise NanodetError(absence(path, "there is no such file or folder"))
        elif not _is_exported(path):
            raise NanodetError(f"{path}: not an exported model ({known})")
        else:
            found.append(path)
    unique = {real_path(path): path for path in found}
    if reference is not None:
        unique.pop(real_path(reference), None)
    return sorted(unique.values(), key=_order)


def open_stages(
    paths: Iterable[Path], reference: StrPath | None = None, threads: int | None = None
) -> list[Stage]:
    """Open every model with every engine that this machine has.

    Args:
        paths: model files, as `find_models` returns them.
        reference: path of the reference; if it is an ncnn file, other precisions of its arithmetic
            are stages too.
        threads: CPU threads; None lets the engines choose.

    Returns:
        list of `Stage`, each of another name; one that fails holds the reason.
    """
    stages = []
    for path in paths:
        usual, *others = engines_of(kind_of(path))
        first = _open(path, usual, threads, _hash_problem)
        _name(first)
        stages.append(first)
        # a file that is not meant to be shipped is run by the usual engine only
        if not (_is_raw(path) or first.ends_in_boxes or first.takes_batch):
            stages += [_open(path, name, threads) for name in others]
    own = Path(reference) if reference is not None and kind_of(reference) is NCNN else None
    stages += _other_precisions(stages, own, threads)
    _make_names_unique(stages)
    return stages


def storage_of(graph: Graph, weights: Weights) -> str:
    """Return ``fp32``, ``fp16`` or ``int8`` by how an ncnn model stores its main weights.

    Args:
        graph: a `nanodet.ncnn_files.graph.Graph`.
        weights: as `nanodet.ncnn_files.weights.load_weights` gives them.
    """
    storages = {stored.storage for parts in weights.values() for stored in parts.values()}
    if storages & {"int8", "table"} or any(
        layer.whole(8) for layer in graph.layers if layer.name in weights and _is_layer(layer)
    ):
        return "int8"
    return "fp16" if "fp16" in storages else "fp32"


def _is_layer(layer: Layer) -> bool:
    return layer.kind in ("Convolution", "ConvolutionDepthWise", "InnerProduct")


def _order(path: Path) -> tuple[bool, bool, int, str]:
    kinds = (kind_of(path) is not ONNX, path.parent.name != INTERMEDIATE)
    return (*kinds, len(path.stem), str(path))


def _is_exported(path: Path) -> bool:
    kind = kind_of(path)
    return kind is not None and kind.exported


def _is_raw(path: Path) -> bool:
    return kind_of(path) is ONNX and path.stem.endswith("-raw")


def _open(
    path: Path, name: str, threads: int | None, hash_problem: Callable[[Path], str] | None = None
) -> Stage:
    """Return the `Stage` of a file in an engine, loaded if possible."""
    stage = Stage(name, path, "fp32", name)
    if importlib.util.find_spec(ENGINES[name].package) is None:
        stage.skipped = f"{ENGINES[name].package} is not installed"
        return stage
    return _load(stage, Request(threads, strict=False), hash_problem)


def _name(stage: Stage) -> None:
    """Name the stage of a file's usual engine by the contents of the file."""
    path, backend = stage.path, stage.backend
    if kind_of(path) is NCNN:
        if backend is not None:
            weights = load_known_weights(files_of(path)[1], backend.graph, path)
            stage.kind = storage_of(backend.graph, weights)
        stage.name = {"fp16": "ncnn fp16 storage"}.get(stage.kind, f"ncnn {stage.kind}")
        if stage.failure:
            stage.name, stage.remains = f"ncnn ({path.stem})", _graph_of(path)
    elif stage.ends_in_boxes:
        stage.name = BOXES
    elif path.stem.endswith("-static"):
        stage.name = STATIC
    elif stage.takes_batch:
        stage.name = batch_stage(backend.spec.batch)
    else:
        stage.name = RAW if _is_raw(path) else SIMPLIFIED


def _make_names_unique(stages: Sequence[Stage]) -> None:
    """Add to the name that several stages have what tells their files apart: stems, or folders too."""
    alike: dict[str, list[Stage]] = {}
    for stage in stages:
        alike.setdefault(stage.name, []).append(stage)
    for group in alike.values():
        if len(group) > 1:
            for stage, end in zip(group, _ends([stage.path for stage in group]), strict=True):
                stage.name = f"{stage.name.removesuffix(f' ({stage.path.stem})')} ({end})"


def _ends(paths: Sequence[Path]) -> list[str]:
    """Return the shortest ends of different paths, without suffix if possible, that differ."""
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        ends = [str(Path(*path.with_suffix("").parts[-depth:])) for path in paths]
        if len(set(ends)) == len(paths):
            return ends
    return list(map(str, paths))


def _graph_of(path: Path) -> SimpleNamespace | None:
    try:
        graph = check_graph(*files_of(path))
        for layer in graph.layers:
            check_parameters(layer, f"{path}: layer {layer.name}")
    except NanodetError:
        return None
    try:
        spec = Spec.load(spec_file(path))
    except NanodetError:
        spec = None
    return SimpleNamespace(path=path, graph=graph, spec=spec)


def _other_precisions(
    stages: Sequence[Stage], own: Path | None, threads: int | None
) -> list[Stage]:
    """Return stages of the same ncnn files with arithmetic in bfloat16 and in 16 bits."""
    ncnn = [s for s in stages if kind_of(s.path) is NCNN and not s.failure]
    bases = [s.path for s in ncnn if s.kind == "fp32"]
    if not bases:
        bases = [own] if own is not None else [s.path for s in ncnn if s.kind == "fp16"]
    found = []
    for path in bases:
        for kind, precision in (("bf16", "bf16"), ("fp16 arithmetic", "fp16")):
            name = "ncnn bf16 storage" if kind == "bf16" else f"ncnn {kind}"
            stage = Stage(name, path, kind, "ncnn")
            if precision == "fp16" and not has_fp16_arithmetic():
                stage.skipped = "this CPU has no 16-bit floating-point arithmetic"
            else:
                _load(stage, Request(threads, precision, strict=False))
            found.append(stage)
    return found


def _load(
    stage: Stage, request: Request, hash_problem: Callable[[Path], str] | None = None
) -> Stage:
    def load_all() -> Backend:
        if hash_problem is not None:
            stage.hash_problem = hash_problem(stage.path)
        return load(stage.path, request, stage.engine)

    try:
        backend = read_steadily(stage.path, load_all)
        check_input_size(backend.spec.input_size, str(stage.path))
        stage.backend = backend
    except NanodetError as error:
        stage.failure = str(error)
    return stage


def _hash_problem(path: Path) -> str:
    """Return one line if the files are not those that the spec beside them describes."""
    beside, kind = spec_file(path), kind_of(path)
    inside = kind is not None and kind.spec_inside
    try:
        spec = None if inside and not is_file(beside) else Spec.load(beside)
    except NanodetError:
        return ""  # reported by loading, or by `differing_beside`
    if spec is not None and not inside:
        param, weights = files_of(path)
        try:
            check_files(param, weights, spec, beside)
        except (NanodetError, OSError) as error:
            return str(error)
    elif spec is not None and spec.files.get(path.name) not in (None, sha256(path, inputs.ONNX)):
        return f"{path}: is not the file that {beside} describes (its SHA-256 differs)"
    return ""
