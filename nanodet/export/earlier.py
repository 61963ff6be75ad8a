"""What an earlier export left in the folder, beside the files that this one writes."""

import dataclasses

from nanodet.errors import NanodetError
from nanodet.runtime.files import sha256
from nanodet.runtime.spec import Spec

MODELS = ((".onnx",), (".param", ".bin"))  # the files of one model


def same_model(out, name, spec, written):
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
    if earlier is None or _identity(earlier) != _identity(spec):
        return {}, {}
    files = {}
    for suffixes in MODELS:
        names = [name + suffix for suffix in suffixes]
        if not set(names) & set(written) and all(_is_as_said(out, n, earlier) for n in names):
            files |= {n: earlier.files[n] for n in names}
    comparable = earlier.measured.get("compared_on") == spec.measured.get("compared_on")
    figures = earlier.measured.get("against_torch") if files and comparable else None
    return files, figures if isinstance(figures, dict) else {}


def strangers(out, name, spec, listed):
    """Return paths of models with this stem in ``out`` that are of another export.

    Args:
        out, name, spec: as in `same_model`.
        listed: names of the files that the new specs list.
    """
    found = [out / f"{name}{suffixes[0]}" for suffixes in MODELS]
    found = [path for path in found if path.is_file() and path.name not in listed]
    for other in (out / f"{name}-fp16.param", out / f"{name}-nms.onnx"):
        if other.is_file() and other.name not in listed:
            beside = _load(other.with_suffix(".json"))
            if beside is None or _identity(beside) != _identity(spec):
                found.append(other)
    return found


def _load(path):
    try:
        return Spec.load(path)
    except NanodetError:
        return None


def _identity(spec):
    """Return what files of one export have in common, whether or not they end in boxes."""
    plain = dataclasses.replace(spec, form="distributions", output_name="")
    return {**plain.to_dict(), "files": None, "measured": None}


def _is_as_said(out, name, spec):
    return (out / name).is_file() and spec.files.get(name) == sha256(out / name)
