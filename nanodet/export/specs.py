"""The specs of an export: beside its files and, of ONNX files, inside."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanodet.export.earlier import same_model, with_fitted
from nanodet.export.onnx_nms import boxes_spec
from nanodet.export.stages import BOXES, FP16, FP32, RAW, SIMPLIFIED, carries_spec
from nanodet.files.files import sha256
from nanodet.onnx_files.metadata import write_spec
from nanodet.runtime.engines import files_of, spec_file
from nanodet.runtime.engines.onnx import OnnxBackend
from nanodet.runtime.spec import Spec

if TYPE_CHECKING:
    from nanodet.export.build import StageBuilder


def write_specs(builder: "StageBuilder", out: Path) -> set[str]:
    """Write the final specs of an export, beside its files and into the ONNX files.

    An earlier export of the other format to ``out`` stays listed where it is of the same model.

    Args:
        builder: the `StageBuilder` that made the files.
        out: the folder that they will be moved to, a `Path`.

    Returns:
        the set of file names that the specs list.
    """
    files, spec, work, stem = builder.files, builder.spec, builder.work, builder.stem
    fitted = with_fitted(spec, out / f"{stem}.json")
    measured = {result.name: result.to_dict() for result in builder.results if result.agrees}
    full = [files[stage] for stage in (SIMPLIFIED, FP32) if stage in files]
    full = [path for path in full if path.parent == work]  # not those kept as intermediates
    listed: set[str] = set()

    def with_results(
        spec: Spec, *names: str, others: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()
    ) -> Spec:
        found = dict(others) | {stage: measured[stage] for stage in names if stage in measured}
        return dataclasses.replace(spec, measured={**spec.measured, "against_torch": found})

    def write(spec: Spec, path: str | Path) -> None:
        """Write the spec of a model with a stem of its own."""
        spec = with_fitted(spec, out / spec_file(path).name)
        if carries_spec(path):
            write_spec(path, spec)
        beside = spec_with_files(spec, path)
        beside.save(spec_file(path))
        listed.update(beside.files)

    for stage in (RAW, SIMPLIFIED):
        if stage in files:
            write_spec(files[stage], with_results(fitted, stage))
    (work / f"{stem}.json").unlink(missing_ok=True)
    if full:
        ours = {file.name for path in full for file in files_of(path)}
        kept, figures = same_model(out, stem, spec, ours)
        beside = spec_with_files(with_results(fitted, SIMPLIFIED, FP32, others=figures), *full)
        beside = dataclasses.replace(beside, files=kept | beside.files)
        beside.save(work / f"{stem}.json")
        listed.update(beside.files)
    for stage, path in files.items():
        if stage == FP16:
            write(with_results(spec, FP16), path)
        elif stage == BOXES:
            write(boxes_spec(with_results(spec, SIMPLIFIED)), path)
        elif stage not in (RAW, SIMPLIFIED, FP32):
            batch = OnnxBackend(path).spec.batch
            fixed = dataclasses.replace(spec, any_size=False, batch=batch)
            write(with_results(fixed, stage), path)
    return listed


def spec_with_files(spec: Spec, *paths: str | Path) -> Spec:
    """Return the spec that lists the files of the models ``paths`` with their SHA-256."""
    files = {file.name: sha256(file) for path in paths for file in files_of(path)}
    return dataclasses.replace(spec, files=files)
