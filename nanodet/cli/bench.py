"""``nanodet bench``: how fast models are on this machine, side by side."""

import argparse
import math
import shlex
import sys

from nanodet.cli.arguments import positive_int, size_wxh
from nanodet.cli.packages import needed_packages
from nanodet.errors import NanodetError


def add_arguments(parser):
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "models", metavar="MODEL", nargs="*",
        help=".param, .onnx or .ckpt file; FILE@WxH for another input size than its own",
    )  # fmt: skip
    parser.add_argument(
        "--graph", action="append", default=[], metavar="GRAPH.param",
        help="ncnn graph to time with empty weights; each needs a --size of its own behind it",
    )  # fmt: skip
    parser.add_argument(
        "--size", action="append", default=[], type=size_wxh, metavar="WxH",
        help="input size of the --graph before it",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=_counts, default=(1,), metavar="1,2,4",
        help="CPU threads to time each with (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--precision", type=_words, default=("fp32",), metavar="fp32,bf16,fp16",
        help="arithmetic to time each .param in (default: fp32)",
    )  # fmt: skip
    parser.add_argument(
        "--cores", default="big", metavar="big|little|all|0,2",
        help="CPU cores to run on (default: the big ones, which is all where they are alike)",
    )  # fmt: skip
    parser.add_argument("--image", metavar="PICTURE", help="picture (default: a generated 640x480)")
    parser.add_argument("--config", metavar="C", help="config of a .ckpt that carries none")
    parser.add_argument(
        "--strict", action="store_true", help="1024 runs and 60 s each instead of 100 and 10 s"
    )
    parser.add_argument(
        "--runs", type=positive_int, metavar="N",
        help="at least so many runs each; below 100 the result is marked as quick",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=_seconds, metavar="S",
        help="at least so many seconds each; below 10 the result is marked as quick",
    )  # fmt: skip
    parser.add_argument("--json", metavar="OUT", help="write everything to this file")
    parser.add_argument("--plot", metavar="PNG", help="draw the times (needs matplotlib)")


def run(args):
    """Time, and print the tables."""
    if len(args.graph) != len(args.size):
        raise NanodetError(
            f"--graph: {len(args.graph)} graphs and {len(args.size)} sizes; each --graph needs one "
            "--size WxH behind it (a MODEL takes its size as FILE@WxH)"
        )
    with needed_packages():
        from nanodet.bench.bench import bench
        from nanodet.bench.plan import effort_of
    bench(
        args.models, list(zip(args.graph, args.size, strict=True)), args.threads, args.precision,
        effort_of(args.strict, args.runs, args.seconds), args.cores, args.image, args.config,
        args.json, args.plot, shlex.join(["nanodet", *sys.argv[1:]]),
    )  # fmt: skip


def _counts(text):
    return tuple(dict.fromkeys(positive_int(part.strip()) for part in text.split(",")))


def _words(text):
    words = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not words:
        raise argparse.ArgumentTypeError(f"{text!r} names none")
    return words


def _seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (0 < value and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value
