"""The device to time on: ``--target`` and the options that belong to it."""

import argparse
import math
import re
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from nanodet.cli.packages import needed_packages
from nanodet.errors import NanodetError

if TYPE_CHECKING:
    from nanodet.bench.target.there import There


def add_device_arguments(parser: ArgumentParser) -> None:
    """Add the options that choose a device, as a group; `place` reads them."""
    device = parser.add_argument_group("on a device", "see docs/boards.md")
    device.add_argument(
        "--target", metavar="T",
        help="adb, adb:SERIAL, ssh:USER@HOST[:PORT], or ssh:HOST of your ssh config: time there, "
        "and remove all files again",
    )  # fmt: skip
    device.add_argument(
        "--program", metavar="PATH",
        help="nanodet-bench for the device (default: what deploy/cpp's preset aarch64 builds); without "
        "--target it times here",
    )  # fmt: skip
    device.add_argument(
        "--target-dir", metavar="DIR",
        help="folder on the device for temporary files (default: chosen by the device)",
    )  # fmt: skip
    device.add_argument(
        "--governor", type=_word, metavar="NAME",
        help="frequency governor during the run, such as performance; restored afterwards",
    )  # fmt: skip
    device.add_argument(
        "--cool-down", type=_celsius, metavar="C",
        help="first wait, at most 5 minutes, until the device is at C degrees Celsius or below",
    )  # fmt: skip
    device.add_argument(
        "--ssh-option", action="append", metavar="KEY=VALUE",
        help="option of ssh's config, such as IdentityFile=~/.ssh/board; can be repeated",
    )  # fmt: skip


def place(args: Namespace) -> "There | None":
    """Return the device; None times on the runtime in Python."""
    if args.target is None and args.program is None:
        for name in ("target_dir", "governor", "cool_down", "ssh_option"):
            if getattr(args, name) is not None:
                raise NanodetError(
                    f"--{name.replace('_', '-')}: is for a device: give its --target too"
                )
        return None
    if args.target == "here":
        raise NanodetError("--target here: --program PATH without --target times here")
    with needed_packages():
        from nanodet.bench.target.there import There, open_device
    return There(
        open_device(args.target or "here", args.ssh_option or ()),
        program=args.program,
        folder=args.target_dir,
        governor=args.governor,
        cool_to=args.cool_down,
    )


def _word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]{1,32}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a governor")
    return text


def _celsius(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 150:
        raise argparse.ArgumentTypeError(f"{text!r} is not degrees Celsius, above 0 and below 150")
    return value
