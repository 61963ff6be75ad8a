"""The command line that users of the original NanoDet's export scripts know."""

import argparse
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from nanodet.cli.export import print_files, status
from nanodet.cli.main import run_command
from nanodet.cli.packages import needed_packages
from nanodet.errors import NanodetError
from nanodet.original.arguments import height_width
from nanodet.runtime.engines import NCNN, ONNX, suffixes
from nanodet.text.printable import say

_EXPORTED = (*suffixes(exported=True), *NCNN.companions)
SUFFIX = {"onnx": ONNX.suffixes[0], "ncnn": NCNN.suffixes[0], "torchscript": ".torchscript.pth"}


def main(kind: str, argv: Sequence[str] | None = None) -> int:
    """Export one format; return the exit status.

    Args:
        kind: ``onnx``, ``ncnn`` or ``torchscript``.
        argv: arguments; None takes the process's.
    """
    parser = argparse.ArgumentParser(description=f"Convert a checkpoint to {kind}.")
    parser.add_argument("--cfg_path", required=True, metavar="C", help="config file")
    parser.add_argument(
        "--model_path", metavar="M",
        help=".ckpt or .pth (default: model_best/model_best.ckpt in the config's save_dir)",
    )  # fmt: skip
    parser.add_argument(
        "--out_path", default=f"nanodet{SUFFIX[kind]}", metavar="O",
        help="file to write, its spec next to it or inside (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--input_shape", type=height_width, metavar="H,W",
        help="network input (default: the config's data.val.input_size)",
    )  # fmt: skip
    return run_command(_run, kind, parser.parse_args(argv))


def _run(kind: str, args: Namespace) -> int | None:
    with needed_packages():
        from nanodet.config import load_config
        from nanodet.export.export import check_stem, export
        from nanodet.export.torchscript_file import export_torchscript
        from nanodet.runtime.spec import check_input_size
    out, size = Path(args.out_path), args.input_shape
    # here, because the export would name the options of `nanodet export`
    if out.is_dir():
        raise NanodetError(f"--out_path: {out} is a folder, not a file to write")
    model = args.model_path
    if model is None:
        model = Path(load_config(args.cfg_path).save_dir) / "model_best" / "model_best.ckpt"
    if size is not None:
        check_input_size(size, f"--input_shape {size[1]},{size[0]}")
    if kind == "torchscript":
        export_torchscript(model, out, args.cfg_path, size)
        say(out)
        return None
    name = out.stem if out.suffix in _EXPORTED else out.name
    check_stem(name, "--out_path")
    exported = export(model, out.parent, args.cfg_path, (kind,), size, name=name)
    print_files(exported)
    return status(exported)
