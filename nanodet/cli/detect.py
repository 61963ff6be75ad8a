"""``nanodet detect MODEL SOURCE``."""

import math
from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import (
    add_class_agnostic_argument,
    add_model_arguments,
    seconds,
    unit_interval,
)
from nanodet.cli.packages import needed_packages

EXAMPLES = (
    "nanodet detect nanodet-m_320 street.jpg --out found",
    "nanodet detect exported/my.param 0",
    "nanodet detect exported/my.param video.mp4 --score 0.5 --out found",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    add_model_arguments(parser)
    parser.add_argument(
        "source", metavar="SOURCE",
        help="image, folder, 'pattern' (** goes into sub-folders), video, camera (its number or "
        "/dev/video0), or URL (RTSP, RTMP, HTTP)",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="DIR",
        help="write images or a video with boxes and detections.jsonl there; without it a "
        "window shows them (q or Escape ends)",
    )  # fmt: skip
    parser.add_argument(
        "--score", type=unit_interval, metavar="S",
        help="score threshold (default: the model's)",
    )  # fmt: skip
    parser.add_argument(
        "--precision", choices=("fp32", "bf16", "fp16"), default="fp32",
        help="arithmetic of a .param file (default: fp32); nanodet bench --best tells what is fastest",
    )  # fmt: skip
    parser.add_argument(
        "--reconnect", type=seconds, nargs="?", const=math.inf, metavar="SECONDS",
        help="reconnect to a camera or stream that is lost, for at most this long each time (default: until "
        "Ctrl-C)",
    )  # fmt: skip
    parser.add_argument(
        "--uncertainty", action="store_true",
        help="draw a band of one standard deviation at both sides of each edge, and write edge_std (left, "
        "top, right, bottom, in pixels) to detections.jsonl",
    )  # fmt: skip
    parser.add_argument(
        "--distributions", action="store_true",
        help="images: also draw the predicted distribution of each edge of the best boxes, into "
        "NAME-distributions.png",
    )  # fmt: skip
    add_class_agnostic_argument(parser, "the model's")


def run(args: Namespace) -> None:
    """Detect, into a folder or a window."""
    with needed_packages():
        from nanodet.detect.detect import detect
    detect(
        args.model,
        args.source,
        config=args.config,
        out=args.out,
        score=args.score,
        fit=args.fit,
        size=args.size,
        threads=args.threads,
        precision=args.precision,
        engine=args.engine,
        class_agnostic_nms=args.class_agnostic_nms,
        reconnect_s=args.reconnect,
        uncertainty=args.uncertainty,
        distributions=args.distributions,
    )
