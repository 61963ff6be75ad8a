"""Which files a report is about: the model, its run, and the exported forms beside it."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nanodet.config.beside import INTERMEDIATE
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import real_path, sha256
from nanodet.files.incoming import files_in, is_file, published
from nanodet.runtime.detector import find_model
from nanodet.runtime.engines import CHECKPOINT, NCNN, files_of, kind_of, spec_file
from nanodet.runtime.spec import Spec
from nanodet.train.outputs import CONFIG, METRICS, checkpoint_in


@dataclass(frozen=True)
class Form:
    """An exported model file, and its `Spec`, None if it has none that can be read."""

    path: Path
    spec: Spec | None

    @property
    def files(self) -> list[Path]:
        """The files that belong to it, the spec among them, as far as they exist."""
        return [path for path in (*files_of(self.path), spec_file(self.path)) if is_file(path)]


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes:
        model: the model file that is measured.
        run: the folder of its training, None if it is not beside the model.
        forms: the exported forms of the same checkpoint, the model among them if it is one.
        elsewhere: exported models in the given folder that were made from another checkpoint.
    """

    model: Path
    run: Path | None
    forms: list[Form]
    elsewhere: int = 0

    @property
    def shipped(self) -> Path:
        """The file to hand over: the ncnn form that is nearest to the model, or the model."""
        if kind_of(self.model) is not CHECKPOINT:
            return self.model
        ncnn = [form.path for form in self.forms if kind_of(form.path) is NCNN]
        return min(ncnn, key=lambda path: len(path.stem), default=self.model)

    @property
    def shipped_spec(self) -> Spec | None:
        """That of the file to hand over, None if it is a checkpoint or has none that can be read."""
        return next((form.spec for form in self.forms if form.path == self.shipped), None)

    @property
    def files(self) -> list[Path]:
        """All files of the model and its forms."""
        found = [*files_of(self.model), *(path for form in self.forms for path in form.files)]
        return list(dict.fromkeys(path for path in found if is_file(path)))


def find_subject(given: StrPath, exports: StrPath | None = None) -> Subject:
    """Find the files of a model.

    Args:
        given: a run folder of ``nanodet train`` (its best checkpoint, or its last), a model file or the
            name of a published model.
        exports: folder of the exported forms; None looks beside an exported model, and for a
            checkpoint in the folder of its run and the folders in it.

    Raises:
        NanodetError: there is no such model, or no exported model in ``exports``.
    """
    model = checkpoint_in(Path(given)) if os.path.isdir(given) else Path(find_model(given))
    run = _run_of(model)
    if kind_of(model) is CHECKPOINT:
        folders = [] if run is None else [run, *sorted(p for p in run.iterdir() if p.is_dir())]
        source: str | None = sha256(model)
    else:
        folders = [model.parent]
        source = _source(_form(model))
    if exports is not None:
        folders = [Path(exports)]
    every = list(_forms(folders))
    if exports is not None and not every:
        raise NanodetError(f"{exports}: holds no exported model")
    same = [
        form
        for form in every
        if (source is not None and _source(form) == source)
        or real_path(form.path) == real_path(model)
    ]
    return Subject(model, run, same, len(every) - len(same) if exports is not None else 0)


def _run_of(model: Path) -> Path | None:
    """Return the folder of the training that wrote a checkpoint."""
    if kind_of(model) is not CHECKPOINT:
        return None
    parents = model.parent, model.parent.parent
    return next((one for one in parents if is_file(one / METRICS) or is_file(one / CONFIG)), None)


def _forms(folders: Iterable[Path]) -> Iterable[Form]:
    for folder in folders:
        for path in files_in(folder) if folder.name != INTERMEDIATE else ():
            kind = kind_of(path)
            if kind is not None and kind.exported:
                yield _form(path)


def _form(path: Path) -> Form:
    with contextlib.suppress(NanodetError):
        if is_file(spec_file(path)):
            return Form(path, Spec.load(published(spec_file(path))))
        if kind_of(path) is not NCNN:
            from nanodet.onnx_files.graph import load_onnx
            from nanodet.onnx_files.metadata import read_spec

            return Form(path, read_spec(load_onnx(path), path))
    return Form(path, None)


def _source(form: Form) -> str | None:
    """Return the hash of the checkpoint that a form was made from, as its spec says."""
    found = None if form.spec is None else form.spec.source.get("sha256")
    return found if isinstance(found, str) else None
