"""What commands there are, and their arguments."""

import argparse
import textwrap
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import NoReturn

from nanodet import __version__
from nanodet.cli import (
    adopt,
    bench,
    choose,
    convert,
    detect,
    doctor,
    download,
    export,
    import_model,
    info,
    init,
    profile,
    quantize,
    quickstart,
    report,
    study,
    train,
    verify,
)
from nanodet.cli import eval as evaluation  # not Python's
from nanodet.cli.arguments import is_override
from nanodet.text.printable import printable

# verb: the module with EXAMPLES, add_arguments(parser) and run(args), and one line of help. These
# modules import their room when they run: `nanodet detect` must work without torch
VERBS = {
    "quickstart": (
        quickstart,
        "train, export and compare on drawn images: a first try without data",
    ),
    "detect": (detect, "find objects in images, videos and cameras"),
    "download": (download, "list published models, or download one into the cache"),
    "init": (init, "write the config of a training from a folder of annotated images"),
    "doctor": (doctor, "find what is wrong with a data set before it is trained on"),
    "convert": (convert, "write annotated images as COCO or YOLO, from any format"),
    "train": (train, "train a detector from a config file"),
    "profile": (
        profile,
        "measure where the time of a training step goes, and what would shorten it",
    ),
    "study": (study, "train variants with several seeds, and compare them in a report"),
    "eval": (evaluation, "measure AP of a model on annotated images"),
    "choose": (choose, "find the best model for a time budget, on your images and your board"),
    "export": (export, "convert a checkpoint to ONNX and ncnn, and compare"),
    "verify": (verify, "compare exported models with their checkpoint, layer by layer if needed"),
    "quantize": (quantize, "convert an ncnn model to int8, and measure accuracy and speed"),
    "adopt": (adopt, "make an ncnn or ONNX file from elsewhere usable in every command"),
    "import": (import_model, "turn an ncnn or ONNX model into a checkpoint for training"),
    "bench": (bench, "time models on this machine or a device, side by side"),
    "report": (report, "write one HTML page on a model, to hand to somebody else"),
    "info": (info, "show input, classes, parameters and multiply-adds of a model"),
}


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the examples, and names of options on the line of their text."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)


class _Parser(argparse.ArgumentParser):
    """Shows words of the command line as they are, also those that would steer the terminal."""

    color = False  # of Python 3.14 on, which steers it

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def command_parser() -> ArgumentParser:
    """Return the `argparse` parser of all commands."""
    parser = _Parser(
        prog="nanodet", description="A detector small enough for a phone.", formatter_class=_Help,
        epilog="nanodet COMMAND --help says more about a command.",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"nanodet {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    for verb, (command, words) in VERBS.items():
        sub = verbs.add_parser(
            verb, help=words, description=words[0].upper() + words[1:] + ".", formatter_class=_Help,
        )  # fmt: skip
        command.add_arguments(sub)
        more = "\n\n" + textwrap.fill(sub.epilog, 78) if sub.epilog else ""
        sub.epilog = "\n  ".join(("examples:", *command.EXAMPLES)) + more
        sub.set_defaults(run=command.run, parser=sub)
    return parser


def parse_and_run(argv: Sequence[str] | None) -> int | None:
    """Run the command that ``argv`` says; return what it returns."""
    args, rest = command_parser().parse_known_args(argv)
    if hasattr(args, "overrides"):
        # argparse takes positional arguments only up to the first option after them
        args.overrides = [*args.overrides, *filter(is_override, rest)]
        rest = [word for word in rest if not is_override(word)]
    if rest:
        args.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return args.run(args)
