"""``python tools/train.py CONFIG [key=value ...] [--seed N]``: the same as ``nanodet train``.

``--local_rank N`` is taken too, because launchers of several processes add it; they also set the
variable ``LOCAL_RANK``, which is what counts.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nanodet.cli.main import main as nanodet


def main(argv=None):
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--local_rank", "--local-rank", type=int, default=-1)
    args, rest = parser.parse_known_args(argv)
    if args.local_rank > 0 and "LOCAL_RANK" not in os.environ:
        parser.prog = "tools/train.py"
        parser.error(
            f"--local_rank {args.local_rank}: start several processes with torchrun, which sets LOCAL_RANK"
        )
    return nanodet(["train", *rest])


if __name__ == "__main__":
    sys.exit(main())
