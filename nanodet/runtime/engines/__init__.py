"""The tables of model file kinds and of the engines that run them, with one line each.

An engine is a module with two functions: `load(path, request)` returns a `Backend`, and
`describe(backend)` returns the engine's name and version and its options, as JSON. Engines are only
imported when they are needed.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nanodet.errors import NanodetError

if TYPE_CHECKING:
    from nanodet.runtime.engines.backend import Backend

PRECISIONS = (
    "fp32",
    "bf16",
    "fp16",
)  # of the arithmetic; the file determines how weights are stored
SPEC = ".json"  # of the spec of a model file, with the same stem


class ModelKind(NamedTuple):
    """A kind of model file.

    Attributes:
        name: in messages.
        suffixes: of the file, in lower case.
        companions: suffixes of the files of the same stem that belong to it, except its spec.
        exported: whether a spec describes it; a checkpoint has a config instead.
        spec_inside: whether the file contains its spec, so that no separate file is needed.
    """

    name: str
    suffixes: tuple[str, ...]
    companions: tuple[str, ...] = ()
    exported: bool = True
    spec_inside: bool = False


class Engine(NamedTuple):
    """An engine for a kind of model file.

    Attributes:
        kind: of the files.
        package: what must be installed.
        module: has `load` and `describe`.
        precisions: of the arithmetic, the usual one first.
    """

    kind: ModelKind
    package: str
    module: str
    precisions: tuple[str, ...] = PRECISIONS[:1]


class Request(NamedTuple):
    """How to load a model; each engine ignores the attributes that it does not use.

    Attributes:
        threads: CPU threads; None lets the engine choose.
        precision: of the arithmetic, one that the engine has.
        strict: whether to refuse files, and an output, that do not match the spec.
        config: for a checkpoint that contains none: a path or a `nanodet.config.Config`.
    """

    threads: int | None = None
    precision: str = PRECISIONS[0]
    strict: bool = True
    config: Any = None


USUAL = Request()

CHECKPOINT = ModelKind("a checkpoint", (".ckpt", ".pth"), exported=False)
ONNX = ModelKind("an ONNX model", (".onnx",), spec_inside=True)
NCNN = ModelKind("an ncnn model", (".param",), companions=(".bin",))
KINDS = (CHECKPOINT, ONNX, NCNN)

# the first of a kind is the default
ENGINES = {
    "torch": Engine(CHECKPOINT, "torch", "nanodet.model.torch_backend"),
    "onnxruntime": Engine(ONNX, "onnxruntime", "nanodet.runtime.engines.onnx"),
    "openvino": Engine(ONNX, "openvino", "nanodet.runtime.engines.openvino"),
    "ncnn": Engine(NCNN, "ncnn", "nanodet.runtime.engines.ncnn", PRECISIONS),
}


def kind_of(path: object) -> ModelKind | None:
    """Return the `ModelKind` of a model file by its name, None for other files."""
    suffix = Path(str(path)).suffix.lower()
    return next((kind for kind in KINDS if suffix in kind.suffixes), None)


def suffixes(exported: bool = False) -> tuple[str, ...]:
    """Return the suffixes of all model files, or only those of exported ones."""
    return tuple(s for kind in KINDS if kind.exported or not exported for s in kind.suffixes)


def files_of(path: str | Path) -> list[Path]:
    """Return the files of a model, except its spec: the one at ``path``, and its companions."""
    path, kind = Path(path), kind_of(path)
    return [path, *(path.with_suffix(suffix) for suffix in (kind.companions if kind else ()))]


def spec_file(path: str | Path) -> Path:
    """Return the path of the spec file of an exported model, if it has one."""
    return Path(path).with_suffix(SPEC)


def engines_of(kind: ModelKind | None) -> dict[str, Engine]:
    """Return name to `Engine` of those that run a kind of model file, the default first."""
    return {name: engine for name, engine in ENGINES.items() if engine.kind is kind}


def engine_of(path: object) -> Engine:
    """Return the default `Engine` of a model file; raise `NanodetError` if there is none."""
    found = engines_of(kind_of(path))
    if not found:
        raise NanodetError(f"{path}: unknown kind of model; known: {', '.join(suffixes())}")
    return next(iter(found.values()))


def choices() -> tuple[str, ...]:
    """Return the names of the engines that a user can choose: those of kinds with several."""
    return tuple(name for name, one in ENGINES.items() if len(engines_of(one.kind)) > 1)


def describe(backend: Backend, name: str | None = None) -> tuple[str, dict[str, Any]]:
    """Return (name and version of its engine, the engine's options) of a loaded model.

    Args:
        backend: the model.
        name: of the engine that it was loaded with, as `load` takes it.
    """
    engine = ENGINES[name] if name else engine_of(backend.path)
    return import_module(engine.module).describe(backend)


def load(path: str | Path, request: Request = USUAL, name: str | None = None) -> Backend:
    """Load a model file.

    Args:
        path: of the model.
        request: how to load it.
        name: of the engine, a key of `ENGINES`; None: the default of the file's kind.

    Raises:
        NanodetError: the file is missing, damaged or does not fit its spec, or the engine does not
            support the request.
    """
    from nanodet.files.files import text_name  # --help only needs the names of the engines

    kind = kind_of(text_name(path))
    if name is not None and ENGINES[name].kind is not kind:
        runs = ", ".join(ENGINES[name].kind.suffixes)
        raise NanodetError(f"{path}: engine {name} only runs {runs} files")
    engine = engine_of(path) if name is None else ENGINES[name]
    if request.precision not in engine.precisions:
        others = {one.kind for one in ENGINES.values() if request.precision in one.precisions}
        words = " or ".join(f"{one.name} ({', '.join(one.suffixes)})" for one in others)
        raise NanodetError(f"{path}: precision {request.precision}: only {words} has it")
    try:
        module = import_module(engine.module)
    except ImportError as error:
        raise NanodetError(
            f"{path}: {engine.kind.name} needs {engine.package} ({error.name} is not installed): "
            'pip install -e ".[all]" in its folder'
        ) from None
    return module.load(path, request)
