"""The stages of an export: what they are called, which files they make, which are asked for."""

from collections.abc import Sequence
from pathlib import Path

from nanodet.errors import NanodetError
from nanodet.runtime.engines import kind_of

RAW, SIMPLIFIED, FP32, FP16 = "onnx as exported", "onnx simplified", "ncnn fp32", "ncnn fp16"
BOXES, STATIC = "onnx with boxes", "onnx static"
# what --formats takes: the stages it stands for
FORMATS = {"onnx": (SIMPLIFIED,), "ncnn": (FP32, FP16), "ncnn-fp32": (FP32,), "ncnn-fp16": (FP16,)}
BOTH = ("onnx", "ncnn")


def batch_stage(count: int | None) -> str:
    """Return the name of the stage that takes ``count`` images at once."""
    return f"onnx batch {count}"


def chosen_stages(
    formats: Sequence[str], nms: bool = False, static: bool = False, batch: int | None = None
) -> list[str]:
    """Return the names of the stages that are asked for, in the order in which they are made.

    Args:
        formats: names in `FORMATS`, or one of them.
        nms, static, batch: as `nanodet.export.export.export` takes them.

    Raises:
        NanodetError: an unknown format, or options that do not fit together.
    """
    formats = (formats,) if isinstance(formats, str) else formats
    unknown = [one for one in formats if one not in FORMATS]
    if unknown or not formats:
        raise NanodetError(
            f"--formats: {','.join(unknown) or 'nothing'}: known: {', '.join(FORMATS)}"
        )
    for option, given in (("--nms", nms), ("--static", static), ("--batch", batch is not None)):
        if given and "onnx" not in formats:
            raise NanodetError(f"{option}: is for ONNX files, but --formats has no onnx")
    if batch is not None and batch < 2:
        raise NanodetError(f"--batch: must be 2 or more, not {batch}; --static is for one image")
    found = {one for name in formats for one in FORMATS[name]}
    stages = [one for one in (SIMPLIFIED, FP32, FP16) if one in found]
    return stages + [BOXES] * nms + [STATIC] * static + [batch_stage(batch)] * (batch is not None)


def file_name(stage: str, name: str) -> str:
    """Return the name of the model file of a stage for the stem ``name``."""
    suffixes = {
        RAW: "-raw.onnx", SIMPLIFIED: ".onnx", FP32: ".param", FP16: "-fp16.param",
        BOXES: "-nms.onnx", STATIC: "-static.onnx",
    }  # fmt: skip
    return name + (suffixes.get(stage) or f"-batch{stage.rsplit(' ', 1)[-1]}.onnx")


def carries_spec(path: str | Path) -> bool:
    """Tell whether files of this kind have their spec inside."""
    kind = kind_of(path)
    return kind is not None and kind.spec_inside
