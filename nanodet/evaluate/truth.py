"""The annotated pictures that a model is measured on."""

import dataclasses
import sys
from functools import partial
from pathlib import Path

from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.data.summary import check_objects, describe, summarise, warnings_of
from nanodet.data.tell import tell_reading
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import check_pycocotools
from nanodet.files.inputs import absence
from nanodet.text.printable import say


def read_truth(spec, model, images, annotations, reading=None, annotated=True):
    """Read annotations as the classes of a model, and tell on stderr what is wrong with them.

    Args:
        spec: the model's `nanodet.runtime.spec.Spec`.
        model: its file, for messages.
        images: folder of the pictures.
        annotations: COCO's JSON file, or a folder of VOC's XML or YOLO's text files.
        reading: the `nanodet.data.reading.Reading`; None for the defaults.
        annotated: see `nanodet.data.read.read_annotations`.

    Returns:
        `nanodet.data.records.Annotations` with the model's classes.

    Raises:
        NanodetError: the annotations are wrong, or not of the model's classes.
    """
    check_pycocotools()
    reading = dataclasses.replace(reading or Reading(), names_of=str(model), training=False)
    found = read_annotations(
        reading.format or guess_format(annotations), images, annotations, reading.list_path,
        list(spec.class_names), annotated, reading,
    )  # fmt: skip

    tell = partial(say, file=sys.stderr)
    tell_reading(found, tell)
    if annotated:
        summary = summarise(found)
        check_objects(summary, annotations, "measure")
        if not summary.flawless:
            tell(f"{annotations}: {describe(summary)}")
        for line in warnings_of(summary, annotations):
            tell(line)
    return found


def guess_format(path):
    """Return ``coco``, ``voc`` or ``yolo`` by what lies at ``path``.

    Raises:
        NanodetError: it is none of them, or not there.
    """
    path = Path(path)
    if not path.exists():
        raise NanodetError(absence(path, "there are no such annotations"))
    if path.suffix.lower() == ".json" and not path.is_dir():
        return "coco"
    if path.is_dir():
        for pattern in ("*", "**/*"):
            suffixes = {file.suffix.lower() for file in path.glob(pattern)}
            for suffix, kind in ((".xml", "voc"), (".txt", "yolo")):
                if suffix in suffixes:
                    return kind
    raise NanodetError(
        f"{path}: cannot tell the format of these annotations (a .json file is coco, a folder of "
        ".xml voc, of .txt yolo); name it with --format"
    )
