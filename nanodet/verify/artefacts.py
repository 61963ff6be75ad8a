"""Finding the models to verify, and opening each so far as it can be opened."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from nanodet.config.beside import INTERMEDIATE
from nanodet.errors import NanodetError
from nanodet.export.stages import BOXES, RAW, SIMPLIFIED, STATIC, batch_stage
from nanodet.files.files import real_path, sha256
from nanodet.files.incoming import files_in, is_file, read_steadily
from nanodet.files.inputs import ONNX, absence
from nanodet.hub.models import model_file
from nanodet.ncnn_files.parameters import check_parameters
from nanodet.ncnn_files.weights import load_weights
from nanodet.runtime.engines.ncnn import NcnnBackend, check_files, check_graph, has_fp16_arithmetic
from nanodet.runtime.spec import Spec, check_input_size

SUFFIXES = (".onnx", ".param")
CHECKPOINTS = (".ckpt", ".pth")


@dataclass
class Stage:
    """One way to run one model file.

    Attributes:
        name: what tables call it.
        path: the model file.
        kind: ``fp32``, ``fp16`` (16-bit weights), ``bf16``, ``fp16 arithmetic`` or ``int8``
            (layers with a byte per weight); of an ncnn file it is told by its contents.
        engine: ``onnx``, ``openvino`` or ``ncnn``.
        backend: the loaded model, None where it could not be loaded.
        failure: why it could not be loaded or run at all, else an empty text.
        skipped: why this machine cannot run it, else an empty text.
        remains: of an ncnn model that could not be loaded: an object with its ``path`` and
            ``graph``, None where that cannot be read either.
        hash_problem: one line where the files are not those that the spec describes.
    """

    name: str
    path: Path
    kind: str
    engine: str
    backend: object = None
    failure: str = ""
    skipped: str = ""
    remains: object = None
    hash_problem: str = ""

    @property
    def ends_in_boxes(self):
        """Whether the model decodes by itself, so that it has no raw output."""
        return self.backend is not None and self.backend.spec.form == "boxes"

    @property
    def takes_batch(self):
        """Whether the model takes several pictures at once."""
        return self.backend is not None and self.backend.spec.batch > 1


def find_models(paths, reference=None):
    """Return the model files that ``paths``, or a single one, name: files, and those in folders.

    A folder of an export also has its ONNX files under ``intermediate``. The file that is the
    reference itself is left out.

    Raises:
        NanodetError: a path that is not there, or no model in it.
    """
    found = []
    for path in map(Path, [paths] if isinstance(paths, (str, Path)) else paths):
        path = path if path.exists() or is_file(path) else Path(model_file(path))
        if path.is_dir():
            inside = [p for p in files_in(path) if p.suffix.lower() in SUFFIXES]
            inside += [p for p in files_in(path / INTERMEDIATE) if p.suffix == ".onnx"]
            if not inside:
                raise NanodetError(f"{path}: there is no exported model (.onnx, .param) in it")
            found += inside
        elif not is_file(path):
            raise NanodetError(absence(path, "there is no such file or folder"))
        elif path.suffix.lower() not in SUFFIXES:
            raise NanodetError(f"{path}: not an exported model (.onnx, .param)")
        else:
            found.append(path)
    unique = {real_path(path): path for path in found}
    if reference is not None:
        unique.pop(real_path(reference), None)
    return sorted(unique.values(), key=_order)


def open_stages(paths, reference=None, threads=None):
    """Open every model in every way this machine has.

    Args:
        paths: model files, as `find_models` gives them.
        reference: the reference's own path; where it is an ncnn file, other precisions of its
            arithmetic are stages too.
        threads: CPU threads; None lets the engines choose.

    Returns:
        list of `Stage`; one that fails says so itself.
    """
    stages = []
    for path in paths:
        if path.suffix.lower() == ".onnx":
            stages.append(_open_onnx(path, threads))
            stages.append(_open_openvino(path, threads, stages[-1]))
        else:
            stages.append(_open_ncnn(path, threads))
    own = Path(reference) if reference is not None and str(reference).endswith(".param") else None
    stages += _other_precisions(stages, own, threads)
    stages = [stage for stage in stages if stage is not None]
    names = [stage.name for stage in stages]
    for stage in stages:
        if names.count(stage.name) > 1:
            stage.name += f" ({stage.path.stem})"
    return stages


def kind_of(graph, weights):
    """Return ``fp32``, ``fp16`` or ``int8`` by how an ncnn model keeps its main weights.

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


def _is_layer(layer):
    return layer.kind in ("Convolution", "ConvolutionDepthWise", "InnerProduct")


def _order(path):
    kinds = (path.suffix.lower() != ".onnx", path.parent.name != INTERMEDIATE)
    return (*kinds, len(path.stem), str(path))


def _open_onnx(path, threads):
    raw = path.stem.endswith("-raw")
    stage = Stage(RAW if raw else SIMPLIFIED, path, "fp32", "onnx")
    if importlib.util.find_spec("onnxruntime") is None:
        stage.skipped = "onnxruntime is not installed"
        return stage
    from nanodet.runtime.engines.onnx import OnnxBackend

    _load(stage, lambda: OnnxBackend(path, threads, strict=False), _onnx_hash_problem)
    if stage.ends_in_boxes:
        stage.name = BOXES
    elif path.stem.endswith("-static"):
        stage.name = STATIC
    elif stage.takes_batch:
        stage.name = batch_stage(stage.backend.spec.batch)
    return stage


def _open_openvino(path, threads, beside):
    """Open the file of the ONNX stage ``beside``, unless it is none that one would ship so."""
    if path.stem.endswith("-raw") or beside.ends_in_boxes or beside.takes_batch:
        return None
    stage = Stage("openvino", path, "fp32", "openvino")
    if importlib.util.find_spec("openvino") is None:
        stage.skipped = "openvino is not installed"
        return stage
    from nanodet.runtime.engines.openvino import OpenvinoBackend

    return _load(stage, lambda: OpenvinoBackend(path, threads, strict=False))


def _open_ncnn(path, threads):
    stage = Stage("ncnn", path, "fp32", "ncnn")
    _load(stage, lambda: NcnnBackend(path, threads, strict=False), _ncnn_hash_problem)
    if stage.backend is not None:
        graph = stage.backend.graph
        stage.kind = kind_of(graph, load_weights(path.with_suffix(".bin"), graph, path))
    stage.name = {"fp16": "ncnn fp16 storage"}.get(stage.kind, f"ncnn {stage.kind}")
    if stage.failure:
        stage.name = f"ncnn ({path.stem})"
        stage.remains = _graph_of(path)
    return stage


def _graph_of(path):
    try:
        graph = check_graph(path, path.with_suffix(".bin"))
        for layer in graph.layers:
            check_parameters(layer, f"{path}: layer {layer.name}")
    except NanodetError:
        return None
    return SimpleNamespace(path=path, graph=graph)


def _other_precisions(stages, own, threads):
    """Return stages of the same ncnn files with arithmetic in bfloat16 and in 16 bits."""
    ncnn = [s for s in stages if s is not None and s.engine == "ncnn" and not s.failure]
    bases = [s.path for s in ncnn if s.kind == "fp32"] or [own]
    bases = bases if bases != [None] else [s.path for s in ncnn if s.kind == "fp16"]
    found = []
    for path in bases:
        for kind, precision in (("bf16", "bf16"), ("fp16 arithmetic", "fp16")):
            name = "ncnn bf16 storage" if kind == "bf16" else f"ncnn {kind}"
            stage = Stage(name, path, kind, "ncnn")
            if precision == "fp16" and not has_fp16_arithmetic():
                stage.skipped = "this CPU has no 16-bit floating-point arithmetic"
            else:
                _load(stage, lambda p=path, q=precision: NcnnBackend(p, threads, q, False))
            found.append(stage)
    return found


def _load(stage, load, hash_problem=lambda path: ""):
    def load_all():
        stage.hash_problem = hash_problem(stage.path)
        return load()

    try:
        backend = read_steadily(stage.path, load_all)
        check_input_size(backend.spec.input_size, str(stage.path))
        stage.backend = backend
    except NanodetError as error:
        stage.failure = str(error)
    return stage


def _ncnn_hash_problem(path):
    beside = path.with_suffix(".json")
    try:
        spec = Spec.load(beside)
    except NanodetError:
        return ""  # loading says so
    try:
        check_files(path, path.with_suffix(".bin"), spec, beside)
    except (NanodetError, OSError) as error:
        return str(error)
    return ""


def _onnx_hash_problem(path):
    beside = path.with_suffix(".json")
    try:
        listed = Spec.load(beside).files if is_file(beside) else {}
    except NanodetError:
        return ""  # `differing_beside` says so
    if path.name in listed and listed[path.name] != sha256(path, ONNX):
        return f"{path}: is not the file that {beside} describes (its SHA-256 differs)"
    return ""
