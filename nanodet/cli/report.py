"""``nanodet report``: one HTML page on a model, to hand to somebody else."""

import argparse
import re
from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import add_data_arguments, reading
from nanodet.cli.packages import needed_packages
from nanodet.errors import NanodetError
from nanodet.text.printable import say

EXAMPLES = (
    "nanodet report run",
    "nanodet report exported/my.param --images DIR --annotations instances.json --out my.html",
    "nanodet report run --exports exported --bench board.json",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "model", metavar="RUN_OR_MODEL",
        help="folder of a training, .ckpt, .onnx or .param file, or a published name",
    )  # fmt: skip
    parser.add_argument(
        "--config", metavar="CONFIG",
        help="config, for a checkpoint that contains none; of an exported model: whose data.val is taken "
        "(default: left by the export)",
    )  # fmt: skip
    parser.add_argument(
        "--out",
        metavar="HTML",
        help="page to write (default: report.html in the run, or beside the model)",
    )
    parser.add_argument(
        "--exports", metavar="DIR",
        help="folder of the exported forms (default: that of the model, or the folders in the run)",
    )  # fmt: skip
    parser.add_argument(
        "--pictures", type=_count, default=100, metavar="N",
        help="the most mistakes to show as pictures; 0: none (default: 100)",
    )  # fmt: skip
    parser.add_argument(
        "--bench", metavar="JSON",
        help="take milliseconds from this file of nanodet bench --json, such as one of a board (default: "
        "time the model here for some seconds)",
    )  # fmt: skip
    parser.add_argument("--no-bench", action="store_true", help="do not time the model")
    parser.add_argument(
        "--verified", metavar="JSON", help="show this file of nanodet verify --json, too"
    )
    add_data_arguments(
        parser,
        "folder of the images (default: data.val of the model's config, with its annotations)",
    )


def run(args: Namespace) -> None:
    """Measure, and write the page."""
    if args.bench is not None and args.no_bench:
        raise NanodetError("--bench and --no-bench: give one of them")
    with needed_packages():
        from nanodet.report.report import report
    path = report(
        args.model,
        args.images,
        args.annotations,
        reading(args),
        out=args.out,
        config=args.config,
        exports=args.exports,
        pictures=args.pictures,
        bench=args.bench,
        verified=args.verified,
        timed=not args.no_bench,
    )
    say(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 9999")
    return int(text)
