"""``nanodet bench``: how fast models are, side by side, on this machine or on a device."""

import argparse
import math
import shlex
import sys
from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import positive_int, size_wxh, thread_count, words_of
from nanodet.cli.device_arguments import add_device_arguments, place
from nanodet.cli.packages import needed_packages
from nanodet.errors import NanodetError

EXAMPLES = (
    "nanodet bench exported/my.param exported/my-int8.param --threads 1,4",
    "nanodet bench exported/my.param --best",
    "nanodet bench exported/my.param --target ssh:pi@raspberrypi",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "models", metavar="MODEL", nargs="*",
        help=".param, .onnx or .ckpt file; FILE@WxH for an input size other than the model's",
    )  # fmt: skip
    parser.add_argument(
        "--graph", action="append", default=[], metavar="GRAPH.param",
        help="ncnn graph to time with empty weights; each needs its own --size after it",
    )  # fmt: skip
    parser.add_argument(
        "--size", action="append", default=[], type=size_wxh, metavar="WxH",
        help="input size of the --graph before it",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=_counts, metavar="1,2,4",
        help="CPU threads to time each with (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--precision", type=words_of, metavar="fp32,bf16,fp16",
        help="arithmetic to time each .param in (default: fp32)",
    )  # fmt: skip
    parser.add_argument(
        "--cores", default="big", metavar="big|little|all|0,2",
        help="CPU cores to run on (default: the big ones, or all if they are equal)",
    )  # fmt: skip
    parser.add_argument(
        "--best", action="store_true",
        help="find the fastest threads, precision, cores and engine, also of the other files of the "
        "export, and print the lines to copy",
    )  # fmt: skip
    parser.add_argument("--image", metavar="IMAGE", help="image (default: a generated 640x480)")
    parser.add_argument("--config", metavar="CONFIG", help="config of a .ckpt that carries none")
    parser.add_argument(
        "--strict", action="store_true", help="1024 runs and 60 s each instead of 100 and 10 s"
    )
    parser.add_argument(
        "--runs", type=positive_int, metavar="N",
        help="minimum number of runs of each; below 100 the result is marked as quick",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=_seconds, metavar="S",
        help="minimum number of seconds for each; below 10 the result is marked as quick",
    )  # fmt: skip
    parser.add_argument("--json", metavar="OUT", help="write everything to this file")
    parser.add_argument("--plot", metavar="PNG", help="draw the times (needs matplotlib)")
    add_device_arguments(parser)


def run(args: Namespace) -> None:
    """Time, and print the tables."""
    if len(args.graph) != len(args.size):
        raise NanodetError(
            f"--graph: {len(args.graph)} graphs and {len(args.size)} sizes; each --graph needs one "
            "--size WxH after it (a MODEL takes its size as FILE@WxH)"
        )
    device = place(args)
    if device is not None and args.config is not None:
        raise NanodetError("--config: is for checkpoints, which nanodet-bench does not run")
    with needed_packages():
        from nanodet.bench.bench import bench
        from nanodet.bench.plan import effort_of
    bench(
        args.models,
        list(zip(args.graph, args.size, strict=True)),
        threads=args.threads,
        precisions=args.precision,
        effort=effort_of(args.strict, args.runs, args.seconds),
        cores=args.cores,
        image=args.image,
        config=args.config,
        best=args.best,
        place=device,
        json_path=args.json,
        plot_path=args.plot,
        command=shlex.join(["nanodet", *sys.argv[1:]]),
    )


def _counts(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(thread_count(part.strip()) for part in text.split(",")))


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (0 < value and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value
