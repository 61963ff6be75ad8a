"""``nanodet doctor CONFIG_OR_FOLDER``: what is wrong with a data set, before it is trained on."""

from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import (
    add_missing_argument,
    add_reading_arguments,
    override,
    reading,
    size_wxh,
)
from nanodet.cli.packages import needed_packages
from nanodet.text.printable import say

EXAMPLES = (
    "nanodet doctor my.yml",
    "nanodet doctor shapes",
    "nanodet doctor my.yml --page faults.html --json faults.json",
    "nanodet doctor my.yml --quick",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "subject", metavar="CONFIG_OR_FOLDER",
        help="config (YAML); or a folder of annotated images, a data.yaml or an annotation file in it",
    )  # fmt: skip
    parser.add_argument(
        "overrides", nargs="*", type=override, default=[], metavar="key=value",
        help="key of the config to change, such as data.train.img_path=images",
    )  # fmt: skip
    parser.add_argument(
        "--page", metavar="OUT", default="doctor.html",
        help="HTML page with the findings, plots and images (default: doctor.html)",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=size_wxh, metavar="WxH",
        help="network input for the images of a folder (default: as nanodet init chooses it)",
    )  # fmt: skip
    parser.add_argument("--json", metavar="OUT", help="write the findings to this file")
    parser.add_argument(
        "--quick", action="store_true",
        help="look at annotations and headers only: no page, no copies, no images that cannot be decoded",
    )  # fmt: skip
    group = parser.add_argument_group("how annotations are read")
    add_missing_argument(group)
    add_reading_arguments(group)
    parser.epilog = "Exit status 1 if a training would stop or learn nothing, otherwise 0."


def run(args: Namespace) -> int:
    """Diagnose, and say how bad it is."""
    with needed_packages():
        from nanodet.doctor.run import doctor
        from nanodet.doctor.subject import Subject
    subject = Subject.of(args.subject, args.overrides, args.size, reading(args).choices())
    return doctor(subject, None if args.quick else args.page, args.json, lambda text: say(text))
