"""``nanodet import``: a trained NanoDet file, ncnn or ONNX, back into a checkpoint that trains."""

from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import add_list_arguments, positive_int, reading
from nanodet.cli.packages import needed_packages
from nanodet.text.printable import say

EXAMPLES = (
    "nanodet import nanodet_m.param --out nanodet_m.ckpt",
    "nanodet import my.onnx --config my.yml --images DIR --out my.ckpt",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "model", metavar="MODEL", help="ncnn model (.param, with its .bin next to it) or .onnx file"
    )
    parser.add_argument("--out", required=True, metavar="FILE.ckpt", help="checkpoint to write")
    parser.add_argument(
        "--config", metavar="CONFIG",
        help="config of the model's architecture (default: the one of config/ that fits)",
    )  # fmt: skip
    parser.add_argument(
        "--classes", nargs="+", metavar="FILE_OR_NAMES",
        help="file with one class name a line, or data.yaml; or the names themselves (default: those of "
        "the model's spec, or of the config)",
    )  # fmt: skip
    parser.add_argument(
        "--images", metavar="DIR",
        help="measure the batch norms on images of this folder, so that the checkpoint can be fine-tuned",
    )  # fmt: skip
    add_list_arguments(parser)
    parser.add_argument(
        "--limit", type=positive_int, default=200, metavar="N",
        help="maximum number of images, evenly spread over the folder (default: 200)",
    )  # fmt: skip


def run(args: Namespace) -> None:
    """Import, and print what was written."""
    with needed_packages():
        from nanodet.export.import_model import import_model
    imported = import_model(
        args.model, args.config, args.out, args.images, args.limit, reading=reading(args),
        classes=None if args.classes is None else tuple(args.classes),
    )  # fmt: skip
    say(imported.path)
