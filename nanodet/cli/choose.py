"""``nanodet choose``: the best model for a time budget, on the user's images and board."""

import argparse
import os
import re
import sys
from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import (
    add_data_arguments,
    is_override,
    points,
    positive_int,
    reading,
    size_wxh,
    thread_count,
    words_of,
)
from nanodet.cli.device_arguments import add_device_arguments, place
from nanodet.cli.packages import needed_packages

EXAMPLES = (
    "nanodet choose my.yml --budget 30ms",
    "nanodet choose my.yml --budget 30ms --widths 0.5x,1.0x --sizes 320x256,416x320 --jobs 2",
    "nanodet choose a.ckpt b.ckpt --budget 20fps --target ssh:pi@board --out chosen",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "sources", nargs="+", metavar="CONFIG|MODEL",
        help="a training config, whose grid of widths and input sizes is trained; a study file, whose "
        "variants are; or models: .ckpt, .param, run folders. key=value changes the config",
    )  # fmt: skip
    parser.add_argument(
        "--budget", required=True, type=milliseconds, metavar="30ms|25fps",
        help="time for one image, from the image to its boxes",
    )  # fmt: skip
    parser.add_argument(
        "--out", default="workspace/choose", metavar="DIR",
        help="folder of everything; what is there already is not made again (default: workspace/choose)",
    )  # fmt: skip
    grid = parser.add_argument_group("training")
    grid.add_argument(
        "--widths", type=words_of, metavar="0.5x,1.0x",
        help="widths of the backbone (default: the config's)",
    )  # fmt: skip
    grid.add_argument(
        "--sizes", type=_sizes, metavar="WxH,WxH",
        help="input sizes (default: three quarters of the config's, the same, five quarters)",
    )  # fmt: skip
    grid.add_argument(
        "--jobs", type=positive_int, default=1, metavar="N",
        help="trainings at once; they share the CPU cores (default: 1)",
    )  # fmt: skip
    files = parser.add_argument_group("files")
    files.add_argument(
        "--for", dest="target_cpu", choices=("any", "x86", "arm", "plain"), metavar="{any,x86,arm,plain}",
        help="what the exports are for (default: arm with --target, otherwise any)",
    )  # fmt: skip
    files.add_argument("--no-int8", action="store_true", help="do not quantize")
    files.add_argument(
        "--max-drop", type=points, default=0.5, metavar="AP",
        help="points of AP that int8 may lose (default: 0.5)",
    )  # fmt: skip
    files.add_argument("--config", metavar="CONFIG", help="config of models that have none")
    add_data_arguments(
        parser, "folder of the images to measure AP on (default: data.val of the config)"
    )
    time = parser.add_argument_group("timing")
    time.add_argument(
        "--threads", type=thread_count, default=1, metavar="N", help="CPU threads (default: 1)"
    )
    time.add_argument(
        "--cores", default="big", metavar="big|little|all|0,2",
        help="CPU cores to run on (default: the big ones, or all if they are equal)",
    )  # fmt: skip
    time.add_argument(
        "--seconds", type=positive_int, metavar="S",
        help="seconds that each file is timed (default: 10)",
    )  # fmt: skip
    add_device_arguments(parser)
    parser.set_defaults(overrides=[])


def run(args: Namespace) -> None:
    """Choose, and print the table and the recommendation."""
    with needed_packages():
        from nanodet.bench.plan import effort_of
        from nanodet.choose.choose import choose
        from nanodet.choose.files import Making
        from nanodet.choose.page import text_of
        from nanodet.choose.times import TimingOptions
    from nanodet.text.printable import say

    device = place(args)
    # a file may be named like an override: the run folders of a grid are, such as lr=0.1/seed0
    changes = [word for word in args.sources if is_override(word) and not os.path.exists(word)]
    chosen = choose(
        [word for word in args.sources if word not in changes],
        args.budget,
        args.out,
        overrides=[*changes, *args.overrides],
        widths=args.widths,
        sizes=args.sizes,
        jobs=args.jobs,
        making=Making(
            target=args.target_cpu or ("any" if args.target is None else "arm"),
            int8=not args.no_int8,
            elsewhere=args.target is not None,
            max_drop=args.max_drop,
            config=args.config,
        ),
        timing=TimingOptions(
            args.threads, effort_of(seconds=args.seconds), args.cores, device, _device_words(args)
        ),
        images=args.images,
        annotations=args.annotations,
        reading=reading(args),
        command=["nanodet", *sys.argv[1:]],
    )
    say(*text_of(chosen))


def milliseconds(text: str) -> float:
    """Read ``30ms`` or ``25fps`` as milliseconds for one image."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)\s*(ms|fps)", text.strip().lower())
    value = float(match[1]) if match else 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 30ms or 25fps")
    return 1000 / value if match and match[2] == "fps" else value


def _device_words(args: Namespace) -> tuple[str, ...]:
    """Return the options of the device as words of a command."""
    words: list[str] = []
    for name in ("target", "program", "target_dir", "governor", "cool_down"):
        value = getattr(args, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    for option in args.ssh_option or ():
        words += ["--ssh-option", option]
    return tuple(words)


def _sizes(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(dict.fromkeys(size_wxh(part) for part in text.split(",")))
