"""AP of the files to choose from, on the same images; what was detected before is kept."""

from pathlib import Path
from typing import Any

import numpy as np

from nanodet import __version__
from nanodet.choose.files import ModelFile
from nanodet.choose.sets import truth_key
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.evaluate.run import detect_all, evaluation_detector
from nanodet.files.files import replacing
from nanodet.runtime.detections import Detections

DETECTED = "detections.npz"


def detect_or_read(file: ModelFile, truth: Annotations, folder: Path) -> list[Detections]:
    """Return the detections of a file on all images of ``truth``, from an earlier run where they are kept.

    Args:
        file: it.
        truth: annotated images with the file's classes.
        folder: of the candidate: the detections are kept there.
    """
    path = folder / f"{file.form}-{DETECTED}"
    key = repr((__version__, file.hashes(), truth_key(truth)))
    kept = _read(path, key, len(truth.pictures))
    if kept is not None:
        return kept
    detector = evaluation_detector(file.param)
    if list(detector.spec.class_names) != list(truth.class_names):
        raise NanodetError(
            f"{file.param}: its classes are not those of the other models: they cannot be compared"
        )
    found = detect_all(detector, truth)
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in found])
        for name in ("xyxy", "confidence", "class_id")
    }
    arrays |= {"key": np.array(key), "counts": np.array([len(one) for one in found])}
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **arrays)
    return found


def _read(path: Path, key: str, images: int) -> list[Detections] | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            cuts = np.cumsum(file["counts"])
            boxes, scores, labels = (file[name] for name in ("xyxy", "confidence", "class_id"))
        if len(cuts) != images or boxes.shape != (cuts[-1], 4) or len(scores) != len(labels):
            return None
        parts = (np.split(one, cuts[:-1]) for one in (boxes, scores, labels))
        return [Detections(*one) for one in zip(*parts, strict=True)]
    except Exception:
        return None  # whatever is wrong with it: they are detected anew
