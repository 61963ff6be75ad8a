"""``nanodet init FOLDER``."""

import re
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nanodet.cli.arguments import add_missing_argument, add_reading_arguments, reading, size_wxh
from nanodet.cli.packages import needed_packages
from nanodet.errors import NanodetError

EXAMPLES = (
    "nanodet init shapes",
    "nanodet init shapes/data.yaml --model nanodet-m --size 416x320 --out my.yml",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "folder", metavar="FOLDER",
        help="folder of annotated images, or a data.yaml or an annotation file in it",
    )  # fmt: skip
    parser.add_argument(
        "--model", default="nanodet-plus-m", metavar="NAME_OR_CONFIG",
        help="nanodet-m, nanodet-plus-m, also with -0.5x (nanodet-m) or -1.5x; or the config of another "
        "model, such as those in config/ (default: nanodet-plus-m)",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=_size, metavar="WxH",
        help="network input, one number for a square (default: from the sizes of images and boxes)",
    )  # fmt: skip
    parser.add_argument(
        "--weights", metavar="FILE",
        help="checkpoint or published model to start from (default: the published weights of the model)",
    )  # fmt: skip
    parser.add_argument(
        "--classes", nargs="+", metavar="NAME",
        help="the classes to learn, in this order (default: those of the annotations)",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="FILE", help="config to write (default: the folder's name and .yml, here)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of the split and the training (default: 0)",
    )
    parser.add_argument("--force", action="store_true", help="replace existing files")
    group = parser.add_argument_group("how annotations are read, which the config says, too")
    add_missing_argument(group)
    add_reading_arguments(group)


def _size(text: str) -> tuple[int, int]:
    return size_wxh(f"{text}x{text}" if re.fullmatch(r"\d{1,5}", text) else text)


def run(args: Namespace) -> None:
    """Write the config, and say what is in it."""
    with needed_packages():
        from nanodet.config.keys import MUCH
        from nanodet.init.init import init
    if not 0 <= args.seed <= MUCH:
        raise NanodetError(f"--seed: must be from 0 to {MUCH}, not {args.seed}")
    given = Path(args.folder)
    name = given.parent.resolve().name if given.is_file() else given.resolve().name
    init(
        args.folder, args.out or f"{name or 'my'}.yml", args.model, args.size, args.weights, reading(args),
        args.seed, args.force, args.classes,
    )  # fmt: skip
