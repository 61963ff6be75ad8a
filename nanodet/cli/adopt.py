"""``nanodet adopt``: a NanoDet file made elsewhere, so that every command runs it."""

import argparse
from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import size_wxh
from nanodet.cli.packages import needed_packages
from nanodet.text.printable import say

EXAMPLES = (
    "nanodet adopt nanodet_m.param --out adopted",
    "nanodet adopt hand.onnx --classes hand --fit stretch --out adopted",
    "nanodet adopt my.param --config my.yml --out adopted",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "model", metavar="MODEL",
        help=".param (with its .bin next to it) or .onnx of a NanoDet or NanoDet-Plus, without a spec",
    )  # fmt: skip
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for model and spec")
    parser.add_argument("--name", metavar="STEM", help="stem of the files (default: the model's)")
    group = parser.add_argument_group(
        "what the file does not contain (a config contains all of it)"
    )
    group.add_argument("--config", metavar="CONFIG", help="config that the model was trained with")
    group.add_argument(
        "--classes", nargs="+", metavar="FILE_OR_NAMES",
        help="file with one class name a line, or data.yaml; or the names themselves (default for 80 "
        "classes: COCO's)",
    )  # fmt: skip
    group.add_argument(
        "--fit", choices=("letterbox", "stretch"),
        help="how images are fitted into the network's input (default: letterbox; of a NanoDet-Plus, "
        "stretch)",
    )  # fmt: skip
    group.add_argument(
        "--size", type=size_wxh, metavar="WxH",
        help="network's input (default: what the file was made for, else 320x320)",
    )  # fmt: skip
    for key, what in (("mean", "103.53,116.28,123.675"), ("std", "57.375,57.12,58.395")):
        group.add_argument(
            f"--{key}", type=_three_numbers, metavar="A,B,C",
            help=f"{key} of the channels in grey levels (default: {what})",
        )  # fmt: skip
    group.add_argument(
        "--colour-order", choices=("bgr", "rgb"), help="of the channels (default: bgr)"
    )
    group.add_argument(
        "--point-offset", type=_number, metavar="X",
        help="where in its cell a point is, in strides (default: 0.5 with three levels from stride 8, "
        "0 with four)",
    )  # fmt: skip


def run(args: Namespace) -> None:
    """Take the file in, and print what was written."""
    with needed_packages():
        from nanodet.adopt.adopt import adopt
        from nanodet.adopt.facts import Facts
    facts = Facts(
        classes=None if args.classes is None else tuple(args.classes),
        config=args.config,
        fit=args.fit,
        size=args.size,
        mean=args.mean,
        std=args.std,
        colour_order=args.colour_order,
        point_offset=args.point_offset,
    )
    say(adopt(args.model, args.out, facts, args.name).path)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _three_numbers(text: str) -> tuple[float, ...]:
    numbers = tuple(map(_number, text.split(",")))
    if len(numbers) != 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not three numbers such as 0,0,0")
    return numbers
