"""``nanodet export``: a checkpoint to verified ONNX and ncnn files."""

from nanodet.cli.arguments import add_class_agnostic_argument, size_wxh
from nanodet.cli.packages import needed_packages

EXAMPLES = (
    "nanodet export run/model_best/model_best.ckpt --out exported",
    "nanodet export run/model_best/model_best.ckpt --size 416x416 --nms --out exported",
)


def add_arguments(parser):
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help=".ckpt or .pth file")
    parser.add_argument(
        "--config", metavar="CONFIG", help="config of a checkpoint that carries none"
    )
    parser.add_argument(
        "--formats", default="onnx,ncnn", metavar="onnx,ncnn", help="what to write (default: both)"
    )
    parser.add_argument(
        "--size", type=size_wxh, metavar="WxH",
        help="network input, multiples of 32 (default: the config's data.val.input_size)",
    )  # fmt: skip
    parser.add_argument(
        "--fit", choices=("letterbox", "stretch"),
        help="how pictures are to be fitted into it (default: by the config's keep_ratio)",
    )  # fmt: skip
    parser.add_argument(
        "--images", metavar="DIR",
        help="compare the stages on the first 8 pictures of this folder (default: generated ones)",
    )  # fmt: skip
    parser.add_argument(
        "--name", metavar="STEM",
        help="stem of the files (default: the checkpoint's, or its run folder's)",
    )  # fmt: skip
    parser.add_argument(
        "--nms", action="store_true",
        help="write STEM-nms.onnx too, which decodes by itself and ends in boxes",
    )  # fmt: skip
    add_class_agnostic_argument(parser, "the config's")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the files")


def run(args):
    """Export, and print what was written."""
    with needed_packages():
        from nanodet.export.export import export
    formats = tuple(part.strip() for part in args.formats.split(",") if part.strip())
    exported = export(
        args.checkpoint, args.out, args.config, formats, args.size, args.fit, args.images,
        args.name, nms=args.nms, class_agnostic_nms=args.class_agnostic_nms,
    )  # fmt: skip
    for path in exported.files.values():
        print(path)
    print(f"{exported.seconds:.1f} s")
