"""``nanodet quantize``: an ncnn model in int8, measured."""

from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import add_data_arguments, points, positive_int, reading
from nanodet.cli.packages import needed_packages
from nanodet.text.printable import say

EXAMPLES = (
    "nanodet quantize exported/my.param --out exported",
    "nanodet quantize exported/my.param --images DIR --annotations instances.json --out exported",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument("model", metavar="MODEL.param", help="ncnn model in floating point")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for <stem>-int8.param, .bin and .json"
    )
    parser.add_argument(
        "--config", metavar="CONFIG",
        help="config or checkpoint of the model, whose data.train is used to calibrate and data.val to "
        "measure (default: the one saved by the export)",
    )  # fmt: skip
    add_data_arguments(
        parser,
        "images like those the model will see (200 or more): some to calibrate, the others to measure "
        "(default: those of the config)",
        "annotations of the images, to judge by AP (without: by detections that both models have)",
    )
    parser.add_argument(
        "--limit", type=positive_int, default=200, metavar="N",
        help="maximum number of images to calibrate on, at most half of --images (default: 200)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    parser.add_argument(
        "--max-drop", type=points, default=0.5, metavar="AP",
        help="points of AP that may be lost (default: 0.5); without annotations 90 %% of the detections "
        "must have a twin",
    )  # fmt: skip
    parser.add_argument(
        "--sure", action="store_true",
        help="accept only what is sure to lose no more: the whole 95 %% interval of the loss must be within "
        "--max-drop, not only the measured value",
    )  # fmt: skip
    parser.add_argument(
        "--method", choices=("best", "kl", "aciq", "mse", "percentile", "max"), default="best",
        help="how activations are clipped (default: the best of all for each layer)",
    )  # fmt: skip
    parser.add_argument(
        "--layers", choices=("fast", "all"), default="fast",
        help="int8 where it is faster on this CPU, or everywhere, for another CPU (default: fast)",
    )  # fmt: skip


def run(args: Namespace) -> None:
    """Quantise, and print what was measured and written."""
    with needed_packages():
        from nanodet.quantize.quantize import quantize
    result = quantize(
        args.model,
        args.images,
        args.out,
        annotations=args.annotations,
        limit=args.limit,
        seed=args.seed,
        max_drop=args.max_drop,
        sure=args.sure,
        method=args.method,
        layers=args.layers,
        report=say,
        reading=reading(args),
        config=args.config,
    )
    for path in result.files:
        say(path)
