"""Show a model on images, a video or a camera, with the arguments of the original NanoDet.

    python demo/demo.py image --config CONFIG --model MODEL --path IMAGE_OR_FOLDER
    python demo/demo.py video --config CONFIG --model MODEL --path VIDEO --save_result
    python demo/demo.py webcam --config CONFIG --model MODEL --camid 0

``nanodet detect`` does the same and more.
"""

import argparse
import glob
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs without an installation

from nanodet.cli.main import run_command
from nanodet.cli.packages import needed_packages


def __getattr__(name):
    # loaded when first used: --help needs no OpenCV
    if name == "Predictor":
        from nanodet.original.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def read_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", choices=("image", "video", "webcam"))
    parser.add_argument("--config", help="config file; an exported model does not need it")
    parser.add_argument("--model", required=True, help=".ckpt, .pth, .onnx or .param file")
    parser.add_argument("--path", default="./demo", help="image, folder of images, or video")
    parser.add_argument("--camid", type=int, default=0, help="number of the camera")
    parser.add_argument(
        "--save_result", action="store_true",
        help="write to a dated folder in the config's save_dir instead of a window",
    )  # fmt: skip
    return parser.parse_args(arguments)


def save_folder(config):
    """Return ``<save_dir of the config>/<date and time>``."""
    from nanodet.config.load import load_config

    save_dir = load_config(config).save_dir if config else "workspace"
    return str(Path(save_dir) / time.strftime("%Y_%m_%d_%H_%M_%S"))


def main(arguments=None):
    return run_command(run, read_arguments(arguments))


def run(args):
    with needed_packages():
        from nanodet.detect.detect import detect
    source = str(args.camid) if args.demo == "webcam" else args.path
    if args.demo == "image" and Path(source).is_dir():
        source = str(Path(glob.escape(source)) / "**" / "*")  # sub-folders too
    out = save_folder(args.config) if args.save_result else None
    detect(args.model, source, config=args.config, out=out, instead="--save_result")


if __name__ == "__main__":
    sys.exit(main())
