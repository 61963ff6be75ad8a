"""``nanodet quickstart``: from nothing to a compared ncnn file, without data or network."""

from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import positive_int
from nanodet.cli.packages import needed_packages
from nanodet.errors import NanodetError
from nanodet.quickstart import EPOCHS, PICTURES

EXAMPLES = (
    "nanodet quickstart",
    "nanodet quickstart --out try --epochs 10",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "--out", metavar="DIR", default="quickstart",
        help="folder for everything (default: quickstart)",
    )  # fmt: skip
    parser.add_argument(
        "--epochs", type=positive_int, default=EPOCHS, metavar="N",
        help=f"passes over the images (default: {EPOCHS})",
    )  # fmt: skip
    parser.add_argument(
        "--pictures", type=positive_int, default=PICTURES, metavar="N",
        help=f"images to train on (default: {PICTURES})",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N",
        help="random seed of the images, their order and the initial weights (default: 0)",
    )  # fmt: skip


def run(args: Namespace) -> None:
    """Go the whole way and say where the report lies."""
    if args.seed < 0:
        raise NanodetError(f"--seed: must not be negative, not {args.seed}")
    with needed_packages():
        from nanodet.quickstart.run import quickstart
    quickstart(args.out, args.seed, args.epochs, args.pictures)
