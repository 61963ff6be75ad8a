"""Whether a file that was taken in gives what it gave before."""

from collections.abc import Mapping

import numpy as np

from nanodet.adopt.source import Source
from nanodet.compare.exact import difference, noise
from nanodet.compare.tensors import picture_tensors
from nanodet.errors import NanodetError
from nanodet.ncnn_files.layout import Form, Part
from nanodet.runtime.engines.backend import Backend

TOLERANCE = 1e-5  # of scores and logits, relative where they are above 1: nothing is rounded


def check_same(source: Source, backend: Backend) -> float:
    """Compare the outputs of a file as it was found with those of what was written.

    Both run on noise and on a generated image, at the size that the file was made for, or the spec's.

    Args:
        source: as `nanodet.adopt.source.open_source` gives it.
        backend: the `nanodet.runtime.engines.Backend` of what was written.

    Returns:
        the largest difference, relative where the value is above 1.

    Raises:
        NanodetError: it is above `TOLERANCE`.
    """
    spec = backend.spec.at_size(source.form.size or backend.spec.input_size)
    random = noise(spec.input_size, np.random.default_rng(0))
    largest = 0.0
    for tensor in (random, *picture_tensors(spec, count=1)):
        wanted = joined(source.run_as_found(tensor), source.form)
        found = backend.run(tensor)
        if found.shape != wanted.shape:
            raise NanodetError(f"{source.path}: gives {wanted.shape} and then {found.shape}")
        largest = max(largest, difference(found, wanted))
        scores = found[:, : source.form.classes]
        if not 0 <= scores.min() <= scores.max() <= 1:
            raise NanodetError(
                f"{source.path}: the first {source.form.classes} channels of its output are not its "
                "scores: it cannot be taken in"
            )
    if not largest <= TOLERANCE:
        raise NanodetError(
            f"{source.path}: what was made of it differs by {largest:.1e} from what it gave: it cannot "
            "be taken in"
        )
    return largest


def joined(outputs: Mapping[str, np.ndarray], form: Form) -> np.ndarray:
    """Return the outputs of a file as float32 (points, classes + 4 (reg_max + 1)), scores 0..1."""
    rows = []
    for group in form.groups:
        parts = [_rows(outputs[part.name], part) for part in group]
        row = np.concatenate(parts, axis=1)
        if not form.sigmoid:
            row[:, : form.classes] = 1 / (1 + np.exp(-row[:, : form.classes].astype(np.float64)))
        rows.append(row)
    return np.concatenate(rows).astype(np.float32)


def _rows(array: np.ndarray, part: Part) -> np.ndarray:
    if part.axis == 0:
        return array.reshape(part.channels, -1).T
    return array.reshape(-1, part.channels)
