"""``nanodet eval``: AP of a model on annotated images."""

from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import add_data_arguments, add_model_arguments, reading
from nanodet.cli.packages import needed_packages
from nanodet.errors import NanodetError
from nanodet.text.printable import say

EXAMPLES = (
    "nanodet eval run/model_best/model_best.ckpt",
    "nanodet eval exported/my.param --images DIR --annotations instances.json",
    "nanodet eval run/model_best/model_best.ckpt --images DIR --annotations people.odgt --box head",
    "nanodet eval exported/my.param --wish precision=0.9",
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
    parser.add_argument("--json", metavar="OUT", help="write the results to this file")
    parser.add_argument(
        "--plots", metavar="DIR",
        help="draw precision, recall and F1 over the score, score against true IoU, regression targets, and "
        "sigma against the true error of edges",
    )  # fmt: skip
    parser.add_argument(
        "--wish", metavar="precision=P|recall=R|f1|keep|none",
        help="find a score threshold for each class: the lowest that has the wished precision, the highest "
        "that has the wished recall, or that of the best F1; print what they are worth, and write them into "
        "the spec of the exported MODEL; keep: print what those of the spec are worth; none: remove them",
    )  # fmt: skip
    group = parser.add_argument_group("standard deviations of edges")
    group.add_argument(
        "--uncertainty", action="store_true",
        help="compare them with the true errors of the edges of matched detections",
    )  # fmt: skip
    group.add_argument(
        "--calibrate", action="store_true",
        help="fit a factor per level, write it into the spec of the exported MODEL, and compare on each "
        "half of the images with the factors of the other half",
    )  # fmt: skip
    group.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="with --calibrate: of the choice of the halves (default: 0)",
    )


def run(args: Namespace) -> None:
    """Evaluate, and print the table."""
    if args.seed is not None and not args.calibrate:
        raise NanodetError("--seed: needs --calibrate")
    if (args.seed or 0) < 0:
        raise NanodetError(f"--seed: must not be negative, not {args.seed}")
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
        uncertainty=args.uncertainty,
        plots=args.plots,
        wish=args.wish,
        calibrate_seed=(args.seed or 0) if args.calibrate else None,
        report=lambda text: say(*text.split("\n")),
        fit=args.fit,
        size=args.size,
        threads=args.threads,
        engine=args.engine,
    )
