"""``python tools/flops.py CONFIG [--input_shape H,W]``: what a config's network costs."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nanodet.cli.main import main as nanodet
from nanodet.original.arguments import height_width


def main(argv=None):
    parser = argparse.ArgumentParser(description="The cost of a config's network.")
    parser.add_argument("cfg", metavar="CONFIG", help="config file")
    parser.add_argument(
        "--input_shape", type=height_width, metavar="H,W",
        help="network input (default: the config's data.val.input_size)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    size = ["--size", "{}x{}".format(*args.input_shape)] if args.input_shape else []
    return nanodet(["info", args.cfg, *size])


if __name__ == "__main__":
    sys.exit(main())
