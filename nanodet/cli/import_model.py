"""``nanodet import``: a trained ncnn NanoDet back into a checkpoint that trains."""

from nanodet.cli.arguments import add_list_arguments, positive_int, reading
from nanodet.cli.packages import needed_packages
from nanodet.text.printable import say

EXAMPLES = ("nanodet import my.param --config my.yml --images DIR --out my.ckpt",)


def add_arguments(parser):
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument("model", metavar="MODEL.param", help="ncnn model, its .bin beside it")
    parser.add_argument("--out", required=True, metavar="FILE.ckpt", help="checkpoint to write")
    parser.add_argument(
        "--config", required=True, metavar="CONFIG", help="config of the model's architecture"
    )
    parser.add_argument(
        "--images", metavar="DIR",
        help="measure the batch norms on pictures of this folder, so that training can go on",
    )  # fmt: skip
    add_list_arguments(parser)
    parser.add_argument(
        "--limit", type=positive_int, default=200, metavar="N",
        help="at most so many pictures, evenly spread over the folder (default: 200)",
    )  # fmt: skip


def run(args):
    """Import, and print what was written."""
    with needed_packages():
        from nanodet.export.import_ncnn import import_model
    imported = import_model(
        args.model, args.config, args.out, args.images, args.limit, reading=reading(args)
    )
    say(imported.path)
