"""``nanodet export``: a checkpoint to verified ONNX and ncnn files."""

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from nanodet.cli.arguments import add_class_agnostic_argument, positive_int, size_wxh
from nanodet.cli.packages import needed_packages
from nanodet.export.rewriting.plan import ANY, TARGETS
from nanodet.text.printable import say

if TYPE_CHECKING:
    from nanodet.export.export import Exported

LEFT_OUT = 3  # exit status: some stages failed, the others were written

EXAMPLES = (
    "nanodet export run/model_best/model_best.ckpt --out exported",
    "nanodet export run/model_best/model_best.ckpt --size 416x416 --nms --out exported",
    "nanodet export run/model_best/model_best.ckpt --for arm --out exported-arm",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.epilog = (
        "Exit status: 0 all stages agree with the checkpoint; 1 an error, nothing was written; "
        "3 some stages failed or differ and were left out, the others were written."
    )
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", help=".ckpt or .pth file, or a published name"
    )
    parser.add_argument(
        "--config", metavar="CONFIG", help="config, for a checkpoint that contains none"
    )
    parser.add_argument(
        "--formats", default="onnx,ncnn", metavar="LIST",
        help="what to write: onnx, ncnn-fp32, ncnn-fp16, separated by commas; ncnn is both ncnn forms "
        "(default: onnx,ncnn)",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=size_wxh, metavar="WxH",
        help="network input, multiples of 32 (default: the config's data.val.input_size)",
    )  # fmt: skip
    parser.add_argument(
        "--fit", choices=("letterbox", "stretch"),
        help="how images are to be fitted into it (default: by the config's keep_ratio)",
    )  # fmt: skip
    parser.add_argument(
        "--images", metavar="DIR",
        help="compare the stages on the first 8 images of this folder (default: generated ones)",
    )  # fmt: skip
    parser.add_argument(
        "--name", metavar="STEM",
        help="stem of the files (default: the checkpoint's, or its run folder's)",
    )  # fmt: skip
    parser.add_argument(
        "--nms", action="store_true",
        help="write STEM-nms.onnx too, which includes decoding and NMS and outputs boxes",
    )  # fmt: skip
    parser.add_argument(
        "--static", action="store_true",
        help="write STEM-static.onnx too, with all shapes fixed, for engines that need it "
        "(OpenCV's DNN)",
    )  # fmt: skip
    parser.add_argument(
        "--batch", type=positive_int, metavar="N",
        help="write STEM-batchN.onnx too, with fixed shapes, for N images at once (2 or more)",
    )  # fmt: skip
    parser.add_argument(
        "--for", dest="target", choices=TARGETS, default=ANY,
        help="what the files are to be fast on; any keeps one output of points x channels, plain leaves "
        "the network as it was trained, too (default: any)",
    )  # fmt: skip
    parser.add_argument(
        "--tune", action="store_true",
        help="rewrite the network, for ONNX files too, as is fastest on this CPU with ncnn, measured from "
        "--for on; some minutes",
    )  # fmt: skip
    add_class_agnostic_argument(parser, "the config's")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the files")


def run(args: Namespace) -> int:
    """Export, and print what was written."""
    with needed_packages():
        from nanodet.export.export import export
    formats = tuple(part.strip() for part in args.formats.split(",") if part.strip())
    exported = export(
        args.checkpoint,
        args.out,
        config=args.config,
        formats=formats,
        size=args.size,
        fit=args.fit,
        images=args.images,
        name=args.name,
        nms=args.nms,
        class_agnostic_nms=args.class_agnostic_nms,
        static=args.static,
        batch=args.batch,
        target=args.target,
        tune=args.tune,
    )
    print_files(exported)
    say(f"{exported.seconds:.1f} s")
    return status(exported)


def print_files(exported: "Exported") -> None:
    """Print the paths of the models that an `Exported` has."""
    for path in exported.files.values():
        say(path)


def status(exported: "Exported") -> int:
    """Return the exit status of an `Exported`; tell on stderr what was left out and what kept."""
    if not exported.left_out:
        return 0
    from nanodet.config.beside import INTERMEDIATE

    kept = [path.name for path in exported.files.values() if path.parent.name != INTERMEDIATE]
    for one, why in exported.left_out.items():
        say(
            f"nanodet: warning: export: {one} left out: {why}; kept: {', '.join(kept)}",
            file=sys.stderr,
        )
    return LEFT_OUT
