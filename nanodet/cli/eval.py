"""``nanodet eval MODEL --images DIR --annotations FILE_OR_DIR``."""

from nanodet.cli.arguments import (
    add_format_argument,
    add_model_arguments,
    add_reading_arguments,
    reading,
)
from nanodet.cli.packages import needed_packages


def add_arguments(parser):
    """Add the command's arguments to an `argparse` parser."""
    add_model_arguments(parser)
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of the pictures")
    parser.add_argument(
        "--annotations", required=True, metavar="FILE_OR_DIR",
        help="COCO json file, or folder of VOC xml or YOLO txt files",
    )  # fmt: skip
    add_format_argument(parser)
    add_reading_arguments(parser)
    parser.add_argument(
        "--list", metavar="FILE", help="text file with one picture name a line: evaluate only these"
    )
    parser.add_argument("--json", metavar="OUT", help="write the AP values to this file")


def run(args):
    """Evaluate, and print the table."""
    with needed_packages():
        from nanodet.evaluate.evaluate import evaluate
        from nanodet.evaluate.run import format_table
    metrics = evaluate(
        args.model, args.images, args.annotations, args.format, args.list, args.json,
        reading(args), config=args.config, fit=args.fit, size=args.size, threads=args.threads,
        engine=args.engine,
    )  # fmt: skip
    print(format_table(metrics))
