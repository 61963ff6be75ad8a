"""``nanodet verify``: exported models beside what they came from."""

from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import add_data_arguments, positive_int, reading, thread_count
from nanodet.cli.packages import needed_packages
from nanodet.errors import NanodetError
from nanodet.text.printable import say

EXAMPLES = (
    "nanodet verify run/model_best/model_best.ckpt exported",
    "nanodet verify run/model_best/model_best.ckpt exported --images DIR --annotations instances.json",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "reference", metavar="CHECKPOINT",
        help=".ckpt or .pth file; without torch an exported .param or .onnx to compare with",
    )  # fmt: skip
    parser.add_argument(
        "models", nargs="+", metavar="DIR_OR_MODELS",
        help="folder of an export, or .onnx and .param files",
    )  # fmt: skip
    parser.add_argument(
        "--config", metavar="CONFIG", help="config, for a checkpoint that contains none"
    )
    add_data_arguments(
        parser,
        "compare on these images (default: up to 500 of data.val of the checkpoint's config, with "
        "its annotations, else 8 generated ones)",
        "annotations of the images, for each stage's AP",
    )
    parser.add_argument("--limit", type=positive_int, metavar="N", help="the first N images only")
    parser.add_argument(
        "--threads", type=thread_count, default=1, metavar="N",
        help="CPU threads of each engine (default: 1, as they take turns)",
    )  # fmt: skip
    parser.add_argument("--json", metavar="OUT", help="write the results to this file")


def run(args: Namespace) -> None:
    """Verify, print the table, and fail where a stage differs."""
    with needed_packages():
        from nanodet.verify.report import format_report
        from nanodet.verify.verify import verify
    report = verify(
        args.reference,
        args.models,
        config=args.config,
        images=args.images,
        annotations=args.annotations,
        json_path=args.json,
        limit=args.limit,
        threads=args.threads,
        reading=reading(args),
        show=lambda report: say(*format_report(report).split("\n")),
    )
    if not report.agrees:
        raise NanodetError(f"verify: {report.summary()}")
    say(report.summary())
