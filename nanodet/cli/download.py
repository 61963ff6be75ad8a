"""``nanodet download [NAME]``."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from nanodet.cli.arguments import positive_int
from nanodet.cli.packages import needed_packages
from nanodet.text.printable import say

EXAMPLES = (
    "nanodet download",
    "nanodet download nanodet-m_320",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="what to download; without it all are listed"
    )
    parser.add_argument(
        "--timeout", type=positive_int, default=30, metavar="S",
        help="seconds to wait for the server before giving up (default: 30)",
    )  # fmt: skip


def run(args: Namespace) -> None:
    """Print the list, or fetch one model and print its path."""
    with needed_packages():
        from nanodet.hub.models import fetch_model
    if args.name is None:
        say(*_listing())
    else:
        say(fetch_model(args.name, args.timeout))


def _listing() -> Iterator[str]:
    from nanodet.hub.catalogue import CATALOGUE
    from nanodet.hub.download import cache_folder
    from nanodet.hub.models import is_cached

    longest = max(map(len, CATALOGUE))
    yield f"{'name':<{longest}}  {'size':>6}  {'AP':>5}  in cache"
    for model in CATALOGUE.values():
        there = "yes" if is_cached(model) else "no"
        size = f"{model.size / 1e6:.1f} MB"
        yield f"{model.name:<{longest}}  {size:>6}  {model.ap:5.2f}  {there:<8}  {model.about}"
        yield f"{'':<{longest}}  from {model.folder}"
        yield f"{'':<{longest}}  licence: {model.licence}"
    yield "AP: on 500 images of COCO val2017 rich in people; not comparable with published figures"
    yield f"cache folder (NANODET_HOME): {cache_folder()}"
