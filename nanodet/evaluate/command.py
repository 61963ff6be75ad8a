"""``nanodet eval``: the AP of a model file on annotated pictures."""

import sys
import tempfile
from pathlib import Path

from nanodet.cli.arguments import add_model_arguments
from nanodet.errors import NanodetError

THRESHOLDS = ("score", "nms_iou", "per_level", "per_picture")
PROBLEMS_SHOWN = 5


def add_arguments(parser):
    """Add the command's arguments to an argparse parser."""
    add_model_arguments(parser)
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of the pictures")
    parser.add_argument(
        "--annotations", required=True, metavar="FILE_OR_DIR",
        help="COCO json file, or folder of VOC xml or YOLO txt files",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=("coco", "voc", "yolo"),
        help="format of the annotations (default: told by the files)",
    )  # fmt: skip
    parser.add_argument(
        "--list", metavar="FILE", help="text file with one picture name a line: evaluate only these"
    )
    parser.add_argument("--json", metavar="OUT", help="write the AP values to this file")


def run(args):
    """Evaluate as the parsed arguments of `add_arguments` say, and print the table.

    Raises:
        NanodetError: anything the user can mend, before the long run wherever it can be known.
    """
    from nanodet.data.read import read_annotations
    from nanodet.evaluate.coco_metrics import check_pycocotools
    from nanodet.evaluate.run import evaluate_model, format_table
    from nanodet.runtime.files import write_text

    check_pycocotools()
    if args.json:
        check_writable(args.json)
    kind = args.format or guess_format(args.annotations)
    detector = evaluation_detector(args)
    annotations = read_annotations(
        kind, args.images, args.annotations, args.list,
        None if kind == "coco" else known_names(detector.spec),
    )  # fmt: skip
    model, data = len(detector.spec.class_names), len(annotations.class_names)
    if model != data:
        raise NanodetError(f"{args.model} has {model} classes, but {args.annotations} has {data}")
    _tell_problems(annotations.problems)
    metrics, _ = evaluate_model(detector, annotations)
    print(format_table(metrics))
    if args.json:
        write_text(args.json, metrics.to_json() + "\n")


def evaluation_detector(args):
    """Return a `Detector` with the thresholds of the config's ``evaluator`` section.

    Exported models have no config: theirs are the defaults of that section, not the
    (higher) score that the spec has for looking at pictures.
    """
    from nanodet.config.schema import Evaluator
    from nanodet.runtime.detector import Detector

    limits = {name: getattr(Evaluator(), name) for name in THRESHOLDS}
    detector = Detector(
        args.model, config=args.config, fit=args.fit, size=args.size, threads=args.threads, **limits
    )
    if detector.config is not None:
        for name in THRESHOLDS:
            setattr(detector, name, getattr(detector.config.evaluator, name))
    return detector


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


def check_writable(path):
    """Raise `NanodetError` unless a file at ``path`` could be written."""
    from nanodet.runtime.files import make_folder

    path = Path(path)
    if path.is_dir():
        raise NanodetError(f"{path}: is a folder, not a file to write")
    make_folder(path.parent)
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise NanodetError(f"{path}: cannot be written ({error.strerror})") from None


def _tell_problems(problems):
    if not problems:
        return
    word = "problem" if len(problems) == 1 else "problems"
    print(f"{len(problems)} {word} in the annotations:", file=sys.stderr)
    for line in problems[:PROBLEMS_SHOWN]:
        print(f"  {line}", file=sys.stderr)
    if len(problems) > PROBLEMS_SHOWN:
        print(f"  and {len(problems) - PROBLEMS_SHOWN} more", file=sys.stderr)
