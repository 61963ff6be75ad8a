"""``nanodet profile CONFIG [key=value ...]``: where the time of a training step goes."""

from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import override, positive_int
from nanodet.cli.packages import needed_packages

EXAMPLES = (
    "nanodet profile my.yml",
    "nanodet profile my.yml device.workers_per_gpu=4 device.precision=auto --steps 50",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument("config", metavar="CONFIG", help="config file (YAML) of the training")
    parser.add_argument(
        "overrides", nargs="*", type=override, default=[], metavar="key=value",
        help="key of the config to change, such as device.batchsize_per_gpu=32",
    )  # fmt: skip
    parser.add_argument(
        "--steps", type=positive_int, default=20, metavar="N",
        help="optimiser steps to measure (default: 20)",
    )  # fmt: skip


def run(args: Namespace) -> None:
    """Measure the steps of the training that the config and the overrides describe."""
    with needed_packages():
        from nanodet.config import load_config
    config = load_config(args.config, args.overrides)
    with needed_packages():
        from nanodet.files.temporary import own_scratch
        from nanodet.train.profile import profile
    from nanodet.text.printable import say

    own_scratch()
    for line in profile(config, str(args.config), args.steps, say).lines:
        say(line)
