"""The AP of a model file on annotated pictures: what ``nanodet eval`` does."""

import sys
from pathlib import Path

from nanodet.data.read import read_annotations
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import check_pycocotools
from nanodet.evaluate.run import evaluate_model, evaluation_detector
from nanodet.runtime.files import check_writable, write_text

PROBLEMS_SHOWN = 5


def evaluate(model, images, annotations, kind=None, list_path=None, json_path=None, **options):
    """Evaluate a model at the thresholds of its config's ``evaluator``.

    Args:
        model: ``.ckpt``, ``.pth``, ``.onnx`` or ``.param`` file.
        images: folder of the pictures.
        annotations: COCO's JSON file, or a folder of VOC's XML or YOLO's text files.
        kind: ``coco``, ``voc`` or ``yolo``; None lets the files tell.
        list_path: a text file with one picture name a line; None for all.
        json_path: file to write the AP values to; None for none.
        options: further arguments of `nanodet.runtime.detector.Detector`, such as ``config``.

    Returns:
        `Metrics`.

    Raises:
        NanodetError: anything the user can mend, before the long run wherever it can be known.
    """
    check_pycocotools()
    if json_path is not None:
        check_writable(json_path)
    kind = kind or guess_format(annotations)
    detector = evaluation_detector(model, **options)
    names = None if kind == "coco" else known_names(detector.spec)
    found = read_annotations(kind, images, annotations, list_path, names)
    check_class_count(detector, found, annotations)
    tell_problems(found.problems)
    metrics, _ = evaluate_model(detector, found)
    if json_path is not None:
        write_text(json_path, metrics.to_json() + "\n")
    return metrics


def known_names(spec):
    """Return the spec's class names, or None where they only number the classes.

    A config without ``class_names`` was trained on the names that the data has.
    """
    names = list(spec.class_names)
    return None if names == [str(i) for i in range(len(names))] else names


def guess_format(path):
    """Return ``coco``, ``voc`` or ``yolo`` by what lies at ``path``.

    Raises:
        NanodetError: it is none of them, or not there.
    """
    path = Path(path)
    if not path.exists():
        raise NanodetError(f"{path}: there are no such annotations")
    if path.is_file() and path.suffix.lower() == ".json":
        return "coco"
    if path.is_dir():
        for suffix, kind in ((".xml", "voc"), (".txt", "yolo")):
            if next(path.glob(f"*{suffix}"), None):
                return kind
    raise NanodetError(
        f"{path}: cannot tell the format of these annotations (a .json file is coco, a folder of "
        ".xml voc, of .txt yolo); name it with --format"
    )


def check_class_count(detector, annotations, file):
    """Raise `NanodetError` unless model and data have equally many classes.

    Args:
        detector: a `Detector`.
        annotations: an `nanodet.data.records.Annotations`.
        file: names the annotations in the message.
    """
    model, data = len(detector.spec.class_names), len(annotations.class_names)
    if model != data:
        raise NanodetError(f"{detector.backend.path} has {model} classes, but {file} has {data}")


def tell_problems(problems):
    """Write the first problems of `Annotations.problems` to stderr, and how many there are."""
    if not problems:
        return
    word = "problem" if len(problems) == 1 else "problems"
    print(f"{len(problems)} {word} in the annotations:", file=sys.stderr)
    for line in problems[:PROBLEMS_SHOWN]:
        print(f"  {line}", file=sys.stderr)
    if len(problems) > PROBLEMS_SHOWN:
        print(f"  and {len(problems) - PROBLEMS_SHOWN} more", file=sys.stderr)
