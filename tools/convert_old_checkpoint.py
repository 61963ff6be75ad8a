"""``python tools/convert_old_checkpoint.py --file_path OLD.pth --out_path NEW.ckpt``.

Turns a checkpoint of NanoDet 0.x into one of Lightning's form, for tools that read only those;
everything here reads both.
"""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nanodet.cli.main import run_command
from nanodet.cli.packages import needed_packages
from nanodet.errors import NanodetError
from nanodet.text.printable import say


def main(argv=None):
    parser = argparse.ArgumentParser(description="Convert a checkpoint of NanoDet 0.x.")
    parser.add_argument("--file_path", required=True, metavar="OLD.pth", help="to read")
    parser.add_argument("--out_path", required=True, metavar="NEW.ckpt", help="to write")
    return run_command(run, parser.parse_args(argv))


def run(args):
    with needed_packages():
        from nanodet.files.files import check_writable, replacing
        from nanodet.model.checkpoint import read_checkpoint
        from nanodet.model.save_plain import save_plain

    check_writable(args.out_path)
    old = read_checkpoint(args.file_path).raw
    if "pytorch-lightning_version" in old or "state_dict" not in old:
        what = "has Lightning's form already" if "state_dict" in old else "holds weights alone"
        raise NanodetError(
            f"{args.file_path}: {what}: there is nothing to convert, use it as it is"
        )
    new = {
        "epoch": old.get("epoch", 0),
        "global_step": old.get("iter", 0),
        "pytorch-lightning_version": version("pytorch-lightning"),
        "state_dict": {
            f"model.{name.removeprefix('module.')}": value
            for name, value in old["state_dict"].items()
        },
        "lr_schedulers": [],
    }
    if "optimizer" in old:
        new["optimizer_states"] = [old["optimizer"]]
    with replacing(args.out_path) as temporary:
        save_plain(new, temporary)
    say(args.out_path)


if __name__ == "__main__":
    sys.exit(main())
