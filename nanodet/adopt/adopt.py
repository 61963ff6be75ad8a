"""A NanoDet file made elsewhere, taken in: what ``nanodet adopt`` does."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from nanodet.adopt.check import check_same
from nanodet.adopt.facts import Facts, spec_for
from nanodet.adopt.source import check_kind, open_source
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import real_path, sha256, text_name
from nanodet.files.incoming import is_file
from nanodet.files.publish import check_publishable, publish, publishing, working_folder
from nanodet.ncnn_files.layout import Form
from nanodet.runtime.detector import find_model
from nanodet.runtime.engines import files_of, load, spec_file
from nanodet.runtime.spec import Spec
from nanodet.text import Say
from nanodet.text.names import shortened
from nanodet.text.printable import say

NOTHING = Facts()


@dataclass(frozen=True)
class Adopted:
    """What was made of a file.

    Attributes:
        path: of the model that every command runs, its spec beside it.
        form: what the file gives.
        difference: the largest one between what the file gave and what the model gives.
    """

    path: Path
    form: Form
    difference: float


def adopt(
    model: StrPath,
    out: StrPath,
    facts: Facts = NOTHING,
    name: str | None = None,
    report: Say = say,
) -> Adopted:
    """Write a NanoDet file made elsewhere in the one form that runs here, with its spec.

    Args:
        model: ``.param`` (its ``.bin`` beside it) or ``.onnx``, without a spec.
        out: folder for ``<stem>.param``, ``.bin`` or ``.onnx``, and ``<stem>.json``.
        facts: `nanodet.adopt.facts.Facts`: what the file does not tell.
        name: stem of the files; None takes the model's.
        report: called with each line of text.

    Returns:
        `Adopted`; its outputs were compared with those of the file before anything was written.

    Raises:
        NanodetError: not a NanoDet, damaged, or something must be known that was not given.
    """
    path, out = Path(find_model(model)), Path(text_name(out))
    stem = path.stem if name is None else name
    if stem in ("", "..") or "\0" in stem or Path(stem).name != stem:
        raise NanodetError(f"--name: {stem!r} is no name of a file")
    made = out / f"{stem}{path.suffix.lower()}"
    if real_path(made) == real_path(path):
        raise NanodetError(
            f"{path}: --out {out}: would replace the file itself; give another folder"
        )
    check_kind(path)
    _refuse_other(made)
    check_publishable(out, made.name)
    names = facts.class_names()
    source = open_source(path, None if names is None else len(names))
    report(f"{path}: {source.form}")
    spec = spec_for(source, facts, report)
    origin = {"adopted_from": path.name} | {file.name: sha256(file) for file in source.files}
    spec = dataclasses.replace(spec, any_size=source.any_size, source=origin, files={})
    with working_folder(out) as work:
        written = source.write(work, stem, spec)
        difference = check_same(source, load(written))
        report(f"gives what the file gave: outputs differ by at most {difference:.1e}")
        with publishing(out):
            publish(work, out)
    return Adopted(made, source.form, difference)


def _refuse_other(made: Path) -> None:
    """Raise `NanodetError` where the spec to write is that of another model, which would lose it."""
    beside = spec_file(made)
    if is_file(beside):
        others = set(Spec.load(beside).files) - {path.name for path in files_of(made)}
        if others:
            raise NanodetError(
                f"{beside}: is the spec of {shortened(sorted(others))}; give another --name or --out"
            )
