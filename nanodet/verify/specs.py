"""Compares two specs, which define preprocessing and decoding, key by key."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nanodet.errors import NanodetError
from nanodet.files.incoming import is_file
from nanodet.runtime.engines import spec_file
from nanodet.runtime.fit import ALIGNMENT
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import Spec
from nanodet.runtime.spec_json import BOXES
from nanodet.runtime.thresholds import NAMES
from nanodet.text.brief import brief

Keys = Mapping[str, Callable[[Spec], Any]]

PREPROCESSING: Keys = {
    "input.mean": lambda spec: list(spec.mean),
    "input.std": lambda spec: list(spec.std),
    "input.colour_order": lambda spec: spec.colour_order,
    "input.fit": lambda spec: spec.fit,
    "input.width": lambda spec: spec.input_size[0],
    "input.height": lambda spec: spec.input_size[1],
}
DECODING: Keys = {
    "output.strides": lambda spec: list(spec.strides),
    "output.reg_max": lambda spec: spec.reg_max,
    "output.bin_spacing": lambda spec: spec.bin_spacing,
    "output.point_offset": lambda spec: spec.point_offset,
}
LAYOUT: Keys = {
    "input.name": lambda spec: spec.input_name,
    "input.batch": lambda spec: spec.batch,
    "output.name": lambda spec: spec.output_name,
    "output.form": lambda spec: spec.form,
}
IN_GRAPH = ("output.bin_spacing",)  # of a model that outputs boxes
# between copies of one spec: a reference has none, or its own
FITTED: Keys = {
    "output.edge_std_factors": lambda spec: list(spec.edge_std_factors or []),
    "thresholds.class_scores": lambda spec: list(spec.class_scores or []),
}


def expected_spec(reference: Spec, spec: Spec, is_checkpoint: bool) -> Spec:
    """Return the spec that a model made from the reference should have.

    An export fits images into a fixed size, while a checkpoint is evaluated with fit ``own``; another
    fit or size may have been chosen at export, which ``source`` records.

    Args:
        reference: spec of the checkpoint or model that is the reference.
        spec: of the model that is compared.
        is_checkpoint: whether ``reference`` is a checkpoint's.
    """
    # NMS is left to the model: one that ends in boxes contains it
    reference = dataclasses.replace(reference, class_agnostic_nms=spec.class_agnostic_nms)
    if not is_checkpoint:
        return reference
    fit = reference.fit if reference.fit == "stretch" else "letterbox"
    chosen = chosen_at_export(spec)
    return dataclasses.replace(
        reference, fit=chosen.get("fit", fit), input_size=chosen.get("size", reference.input_size)
    )


def chosen_at_export(spec: Spec) -> dict[str, Any]:
    """Return the ``fit`` and ``size`` that were chosen at export, from the ``source`` of its spec."""
    chosen = {}
    if spec.source.get("fit") in ("letterbox", "stretch"):
        chosen["fit"] = spec.source["fit"]
    size = spec.source.get("size")
    if isinstance(size, list) and len(size) == 2 and all(type(v) is int for v in size):
        if min(size) >= ALIGNMENT and not any(v % ALIGNMENT for v in size):
            chosen["size"] = tuple(size)
    return chosen


def differing_keys(spec: Spec, expected: Spec, keys: Keys, who: str) -> list[tuple[str, str]]:
    """Return (key, sentence) of every key in which two specs differ.

    Args:
        spec: of the model that is compared; expected: what it should be.
        keys: `PREPROCESSING`, `DECODING` or `LAYOUT`.
        who: what has the expected values, such as ``the checkpoint``.
    """
    found = []
    for key, read in keys.items():
        if spec.form == BOXES and key in IN_GRAPH:
            continue
        given, wanted = read(spec), read(expected)
        if not _equal(given, wanted):
            found.append((key, f"{key}: {_shown(given)}, but {who} has {_shown(wanted)}"))
    if keys is DECODING and tuple(spec.class_names) != tuple(expected.class_names):
        found.append(("class_names", _differing_names(spec, expected, who)))
    if keys is DECODING and spec.form != BOXES:  # there it is in the graph, too
        found += differing_quality(spec.quality, expected.quality, who)
    return found


def differing_quality(
    given: QualityPredictor | None, wanted: QualityPredictor | None, who: str
) -> list[tuple[str, str]]:
    """Return (key, sentence) of every key in which two predictors of quality differ."""
    key = "output.quality"
    if given is None or wanted is None:
        if given is wanted:
            return []
        here, there = ("none", "one") if given is None else ("one", "none")
        return [(key, f"{key}: {here}, but {who} has {there}")]
    found = []
    for entry in dataclasses.fields(given):
        ours, theirs = (np.ravel(getattr(one, entry.name)) for one in (given, wanted))
        name = f"{key}.{entry.name}"
        if ours.shape != theirs.shape:
            found.append((name, f"{name}: {len(ours)} numbers, but {who} has {len(theirs)}"))
            continue
        other = np.flatnonzero(~np.isclose(ours, theirs, rtol=1e-6, atol=1e-9))
        if len(other):
            at = other[0]
            place = f"{name}[{at}]" if len(ours) > 1 else name
            more = f"; {len(other) - 1} more of {len(ours)} differ" if len(other) > 1 else ""
            found.append((name, f"{place}: {ours[at]:g}, but {who} has {theirs[at]:g}{more}"))
    return found


def differing_beside(path: Path, inside: Spec) -> list[tuple[str, str]]:
    """Return (key, sentence) where the JSON beside an ONNX file differs from the spec inside it.

    Nanodet reads the spec inside; other programs can only read the one beside. An unreadable file gives
    an empty key.

    Args:
        path: the ONNX file, a `Path`.
        inside: the spec that it carries.
    """
    beside = spec_file(path)
    if not is_file(beside):
        return []
    try:
        spec = Spec.load(beside)
    except NanodetError as error:
        return [("", str(error))]
    return [
        (key, f"{beside}: {sentence}")
        for keys in (PREPROCESSING, DECODING, LAYOUT, FITTED)
        for key, sentence in differing_keys(spec, inside, keys, f"{path.name} itself")
    ]


def differing_thresholds(spec: Spec, expected: Spec) -> list[str]:
    """Return sentences about default thresholds that differ, which is allowed."""
    pairs = ((key, getattr(spec, key), getattr(expected, key)) for key in NAMES)
    return [
        f"thresholds.{key}: {_shown(a)}, "
        + ("the reference has none" if b is None else f"not {_shown(b)}")
        for key, a, b in pairs
        if a != b
    ]


def _equal(given: Any, wanted: Any) -> bool:
    if isinstance(given, list):
        return len(given) == len(wanted) and all(map(_equal, given, wanted))
    if isinstance(given, float):
        return abs(given - wanted) <= 1e-6 * max(1.0, abs(wanted))
    return given == wanted


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):  # scores per class, of which there may be many
        low, high = min(value), max(value)
        return f"{len(value)} {f'of {low:g}' if low == high else f'from {low:g} to {high:g}'}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _differing_names(spec: Spec, expected: Spec, who: str) -> str:
    if len(spec.class_names) != len(expected.class_names):
        return (
            f"class_names: {len(spec.class_names)} names, but {who} has {len(expected.class_names)}"
        )
    pairs = enumerate(zip(spec.class_names, expected.class_names, strict=True))
    index, (given, wanted) = next((i, p) for i, p in pairs if p[0] != p[1])
    return f"class_names[{index}]: {brief(given)}, but {who} has {brief(wanted)}"
