"""``nanodet eval``: AP of a model on annotated images."""

from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import add_data_arguments, add_model_arguments, reading
from nanodet.cli.packages import needed_packages
from nanodet.text.printable import say

EXAMPLES = (
    "nanodet eval run/model_best/model_best.ckpt",
    "nanodet eval exported/my.param --images DIR --annotations instances.json",
    "nanodet eval run/model_best/model_best.ckpt --images DIR --annotations people.odgt --box head",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    add_model_arguments(
        parser, "; of an exported model: whose data.val is taken (default: left by the export)"
    )
    add_data_arguments(
        parser,
        "folder of the images (default: data.val of the model's config, with its annotations)",
    )
    parser.add_argument("--json", metavar="OUT", help="write the AP values to this file")


def run(args: Namespace) -> None:
    """Evaluate, and print the table."""
    with needed_packages():
        from nanodet.evaluate.evaluate import evaluate
        from nanodet.evaluate.run import format_table
    evaluate(
        args.model,
        args.images,
        args.annotations,
        reading=reading(args),
        json_path=args.json,
        config=args.config,
        show=lambda metrics: say(*format_table(metrics).split("\n")),
        fit=args.fit,
        size=args.size,
        threads=args.threads,
        engine=args.engine,
    )
