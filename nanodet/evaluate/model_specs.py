"""Changes what the specs of an exported model say, in every file that holds one."""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import sha256
from nanodet.files.incoming import is_file, published
from nanodet.files.publish import check_publishable, publish, publishing, working_folder
from nanodet.runtime.engines import ONNX, kind_of, spec_file
from nanodet.runtime.spec import Spec


def check_changeable(model: StrPath, option: str, what: str) -> None:
    """Raise the `NanodetError` that `change_specs` would raise, before a long run.

    Args:
        model: an ``.onnx`` or ``.param`` file.
        option: of the command, for messages; what: is to be kept in the specs, such as ``the factors``.
    """
    kind = kind_of(model)
    if kind is None or not kind.exported:
        raise NanodetError(
            f"{model}: {option}: a checkpoint has no spec to keep {what} in; export it, and give the "
            "exported model"
        )
    _, carriers = _specs_of(model, option)
    names = [spec_file(str(model)).name, *(path.name for path in carriers)]
    check_publishable(Path(model).parent, *names)
    if carriers:
        from nanodet.onnx_files.graph import import_onnx

        import_onnx(carriers[0])


def change_specs(
    model: StrPath,
    option: str,
    changes: Mapping[str, Any],
    measured: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write other values into all specs of a model, all at once or none.

    These are the JSON beside it, and that inside each ONNX file: of the model, and of those listed in
    the JSON because they share its stem. The JSON then lists the new hashes of the ONNX files.

    Args:
        model: an ``.onnx`` or ``.param`` file.
        option: of the command, for messages.
        changes: fields of `Spec` and their new values.
        measured: what is recorded under ``measured`` of the JSON beside it; None removes an entry.

    Returns:
        the files that were written.

    Raises:
        NanodetError: a file cannot be read or written, or a listed ONNX file is another one.
    """
    from nanodet.onnx_files.graph import load_onnx
    from nanodet.onnx_files.metadata import read_spec, write_spec

    model = Path(model)
    folder = model.parent
    with working_folder(folder) as work, publishing(folder):
        beside, carriers = _specs_of(model, option)
        written = []
        for path in carriers:
            inside = read_spec(load_onnx(published(path)), path)
            if inside is None:  # the one beside it counts
                continue
            shutil.copyfile(published(path), work / path.name)
            write_spec(work / path.name, dataclasses.replace(inside, **changes))
            written.append(path)
        if beside is not None:
            records = beside.measured | dict(measured or {})
            hashes = {p.name: sha256(work / p.name) for p in written if p.name in beside.files}
            dataclasses.replace(
                beside,
                **changes,
                files=beside.files | hashes,
                measured={key: one for key, one in records.items() if one is not None},
            ).save(work / spec_file(model).name)
            written.append(spec_file(model))
        if not written:
            raise NanodetError(f"{model}: {option}: neither it nor {spec_file(model)} has its spec")
        publish(work, folder)
    return written


def _specs_of(model: StrPath, option: str) -> tuple[Spec | None, list[Path]]:
    """Return the spec beside a model, None without one, and the ONNX files that contain the same."""
    model = Path(model)
    beside = Spec.load(spec_file(model)) if is_file(spec_file(model)) else None
    if beside is not None and kind_of(model) is ONNX and model.name not in beside.files:
        beside = None  # of another model of this stem
    carriers = {model} if kind_of(model) is ONNX else set()
    for name, digest in beside.files.items() if beside else ():
        path = model.parent / name
        if kind_of(path) is not ONNX or not is_file(path):
            continue
        if sha256(published(path)) != digest:
            raise NanodetError(
                f"{path}: {option}: is not the file that {spec_file(model)} describes (its SHA-256 "
                "differs)"
            )
        carriers.add(path)
    return beside, sorted(carriers)
