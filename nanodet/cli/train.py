"""``nanodet train CONFIG [key=value ...]``."""

import os
from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import override
from nanodet.cli.packages import needed_packages
from nanodet.files import StrPath

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")  # as Lightning knows them
EXAMPLES = (
    "nanodet train my.yml",
    "nanodet train my.yml schedule.total_epochs=50 device.batchsize_per_gpu=32",
    "nanodet train my.yml schedule.resume=true",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument("config", metavar="CONFIG", help="config file (YAML)")
    parser.add_argument(
        "overrides", nargs="*", type=override, default=[], metavar="key=value",
        help="key of the config to change, such as schedule.optimizer.lr=0.01",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, metavar="N",
        help="random seed of order, augmentation and initial weights (default: the config's)",
    )  # fmt: skip


def _check_folder(folder: StrPath) -> None:
    """Say what the training would say of its folder, before torch is imported: that takes seconds."""
    from nanodet.files.files import check_folder_writable
    from nanodet.files.locks import locked

    check_folder_writable(folder)
    # another process of the same training has it
    if os.path.isdir(folder) and not any(name in os.environ for name in RANKS):
        with locked(folder):
            pass


def run(args: Namespace) -> None:
    """Train as the config and the overrides say."""
    with needed_packages():
        from nanodet.config import load_config, read_mapping
    overrides = list(args.overrides)
    if args.seed is not None:
        overrides.append(f"seed={args.seed}")
    folder = read_mapping(args.config, overrides).get("save_dir")
    if isinstance(folder, str) and folder.strip():
        _check_folder(folder)
    config = load_config(args.config, overrides)
    with needed_packages():
        from nanodet.files.temporary import own_scratch
        from nanodet.train.trainer import train
    own_scratch()
    train(config, str(args.config))
