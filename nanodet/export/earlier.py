"""What an earlier export left in the folder, beside the files that this one writes."""

import dataclasses
import glob
from collections.abc import Collection
from pathlib import Path
from typing import Any

from nanodet.errors import NanodetError
from nanodet.export.stages import BOXES, FP16, FP32, SIMPLIFIED, STATIC, carries_spec, file_name
from nanodet.files.files import sha256
from nanodet.runtime.engines import files_of, spec_file
from nanodet.runtime.spec import Spec
from nanodet.text import Say

# what a spec has only if it was fitted to images, and where ``measured`` tells of it
FITTED = {"edge_std_factors": "edge_std", "class_scores": "class_scores"}


def same_model(
    out: Path, name: str, spec: Spec, written: Collection[str]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return what ``<name>.json`` may go on to vouch for.

    Args:
        out: the output folder, a `Path`.
        name: stem of the files.
        spec: of the new export.
        written: names of the files that it writes.

    Returns:
        file name to SHA-256 of the earlier files that are still those their spec described, made
        of the same checkpoint in the same way; and the figures of their comparison with torch.
    """
    earlier = _load(out / f"{name}.json")
    if earlier is None or _graph(earlier) != _graph(spec) or _identity(earlier) != _identity(spec):
        return {}, {}
    files: dict[str, str] = {}
    for stage in (SIMPLIFIED, FP32):
        names = [file.name for file in files_of(file_name(stage, name))]
        if not set(names) & set(written) and all(_is_as_said(out, n, earlier) for n in names):
            files |= {n: earlier.files[n] for n in names}
    comparable = earlier.measured.get("compared_on") == spec.measured.get("compared_on")
    figures = earlier.measured.get("against_torch") if files and comparable else None
    return files, figures if isinstance(figures, dict) else {}


def tell_strangers(
    out: Path,
    name: str,
    spec: Spec,
    listed: Collection[str],
    left_out: Collection[str],
    report: Say,
) -> None:
    """Tell of models with this stem in ``out`` that are of another export.

    One that this export would have replaced, had it not left out the stage, goes: under one stem,
    old and new must not be taken for one model.

    Args:
        out, name, spec: as in `same_model`.
        listed: names of the files that the new specs list.
        left_out: names of the stages that were asked for and not written.
        report: called with each line.
    """
    gone = {file_name(one, name) for one in left_out}
    usual = [out / file_name(one, name) for one in (SIMPLIFIED, FP32, FP16, BOXES, STATIC)]
    for path in [*usual, *sorted(out.glob(f"{glob.escape(name)}-batch*.onnx"))]:
        if not path.is_file() or path.name in listed:
            continue
        beside = spec_file(path)
        theirs = _load(beside)
        if theirs and path.name in theirs.files and _identity(theirs) == _identity(spec):
            continue
        if path.name not in gone:
            line = f"{path}: left from another export, not part of this one"
            needs_it = not carries_spec(path)
            if needs_it and not (theirs and path.name in theirs.files):
                line += f"; it no longer runs, as {beside.name} is this one's: use another --name"
            report(line)
            continue
        for file in reversed(files_of(path)):  # the next run finds a killed one's rest by the first
            file.unlink(missing_ok=True)
        if theirs and not any((out / one).exists() for one in theirs.files):
            beside.unlink()
        report(f"{path}: removed: of another export, and this one left it out")


def with_fitted(spec: Spec, beside: Path) -> Spec:
    """Return a spec with what was fitted to images for an earlier export of the same model.

    This is the calibration of edges, and the scores per class.

    Files of that export may stay, which have it inside.

    Args:
        spec: of the new export.
        beside: the JSON of the earlier one, a `Path`.
    """
    earlier = _load(beside)
    if earlier is None or _identity(earlier) != _identity(spec):
        return spec
    fitted = {key: getattr(earlier, key) for key in FITTED if getattr(earlier, key) is not None}
    if not fitted:
        return spec
    kept = {key: earlier.measured[key] for key in FITTED.values() if key in earlier.measured}
    return dataclasses.replace(spec, **fitted, measured=spec.measured | kept)


def _load(path: str | Path) -> Spec | None:
    try:
        return Spec.load(path)
    except NanodetError:
        return None


def _graph(spec: Spec) -> tuple[Any, ...]:
    """Return what the files that one spec describes have in common beside their `_identity`."""
    return spec.any_size, spec.layout, spec.rewriting


def _identity(spec: Spec) -> dict[str, Any]:
    """Return what files of one export have in common, in whatever form they are."""
    plain = dataclasses.replace(
        spec, form="distributions", layout="rows", bin_spacing=1.0, quality=None, output_name="",
        any_size=False, batch=1, edge_std_factors=None, class_scores=None, rewriting=None,
    )  # fmt: skip
    return {**plain.to_dict(), "files": None, "measured": None}


def _is_as_said(out: Path, name: str, spec: Spec) -> bool:
    return (out / name).is_file() and spec.files.get(name) == sha256(out / name)
