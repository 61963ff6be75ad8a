"""``nanodet train CONFIG [key=value ...]``."""

from nanodet.config import load_config
from nanodet.train.cpu import wait_without_spinning


def add_arguments(parser):
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument("config", help="config file (YAML)")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="e.g. schedule.optimizer.lr=0.01"
    )
    parser.add_argument("--seed", type=int, help="order, augmentation and initial weights")


def run(args):
    """Train as the config and the overrides say."""
    overrides = list(args.overrides)
    if args.seed is not None:
        overrides.append(f"seed={args.seed}")
    config = load_config(args.config, overrides)
    wait_without_spinning()
    from nanodet.train.trainer import train

    train(config, str(args.config), say=lambda line: print(line, flush=True))
