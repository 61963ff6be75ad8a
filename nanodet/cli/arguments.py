"""Argument types that several commands share; argparse names the option in its message."""

import argparse
import re
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nanodet.data.reading import Reading


def size_wxh(text: str) -> tuple[int, int]:
    """Read ``320x256`` as (width, height) = (320, 256)."""
    match = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text.strip())
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if min(size) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 320x256 (WxH)")
    return size


def unit_interval(text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def points(text: str) -> float:
    """Read a number of points of AP, from 0 to 100."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 100")
    return value


def seconds(text: str) -> float:
    """Read a number of seconds above 0."""
    if not re.fullmatch(r"\d{1,9}(\.\d*)?", text) or float(text) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return float(text)


def positive_int(text: str) -> int:
    """Read a whole number above 0."""
    if not re.fullmatch(r"\d{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def thread_count(text: str) -> int:
    """Read a number of CPU threads."""
    from nanodet.runtime.options import MOST_THREADS  # imports numpy, which --help does not need

    count = positive_int(text)
    if count > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {MOST_THREADS} threads")
    return count


def words_of(text: str) -> tuple[str, ...]:
    """Read words between commas, each once."""
    words = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not words:
        raise argparse.ArgumentTypeError(f"{text!r} names none")
    return words


def is_override(text: str) -> bool:
    """Tell whether a word has the form ``key=value``."""
    return re.match(r"[^\s=-][^\s=]*=", text) is not None


def override(text: str) -> str:
    """Read a ``key=value`` that changes a config; the value is looked at when the config is."""
    if not is_override(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form key=value")
    return text


def engine_name(text: str) -> str:
    """Read the name of an engine, see `nanodet.runtime.engines.ENGINES`."""
    from nanodet.runtime.engines import choices

    if text not in choices():
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(choices())}")
    return text


def format_name(text: str) -> str:
    """Read the name of a format of annotations, see `nanodet.data.formats.FORMATS`."""
    from nanodet.data import formats  # imports OpenCV, which --help does not need

    full = formats.full_name(text)
    if full is None:
        known = ", ".join(one.short[0] for one in formats.FORMATS.values())
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {known}")
    return formats.FORMATS[full].short[0]


def fit_name(text: str) -> str:
    """Read the name of a fit, see `nanodet.runtime.fit.place`."""
    from nanodet.runtime.fit import FITS  # imports OpenCV, which --help does not need

    if text not in FITS:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(FITS)}")
    return text


def add_data_arguments(
    parser: ArgumentParser, images: str, annotations: str = "annotations of the images"
) -> None:
    """Add ``--images``, ``--annotations`` and what says how they are read; see `reading`.

    They are a group of their own in the help.

    Args:
        images, annotations: what they are for, in words.
    """
    group = parser.add_argument_group("images and annotations")
    group.add_argument("--images", metavar="DIR", help=images)
    group.add_argument(
        "--annotations", metavar="FILE_OR_DIR",
        help=f"{annotations}: a file, such as COCO's json, or a folder of files, such as YOLO's txt",
    )  # fmt: skip
    add_list_arguments(group)
    group.add_argument(
        "--format", type=format_name, metavar="NAME",
        help="format of the annotations, such as coco or cvat (default: detected from the files)",
    )  # fmt: skip
    add_reading_arguments(group)


def add_reading_arguments(group: "argparse._ActionsContainer") -> None:
    """Add the options for doubtful annotations but ``--missing-images``; see `reading`."""
    group.add_argument(
        "--unknown-classes", choices=("error", "skip"),
        help="annotated objects of classes that the model does not have (default: error; VOC: skip)",
    )  # fmt: skip
    group.add_argument(
        "--orientation", choices=("auto", "turned", "stored"),
        help="how images with an EXIF rotation were labelled (default: detected from the annotations)",
    )  # fmt: skip
    group.add_argument(
        "--yolo-labels", choices=("auto", "boxes", "polygons"),
        help="what YOLO lines of more than five values are; boxes may have keypoints or a confidence "
        "after them (default: detected from all lines)",
    )  # fmt: skip
    group.add_argument(
        "--box", choices=("full", "visible", "head"),
        help="which box of a person in an odgt file (default: full)",
    )  # fmt: skip


def add_list_arguments(parser: "argparse._ActionsContainer") -> None:
    """Add ``--list`` and ``--missing-images``."""
    parser.add_argument(
        "--list", dest="list_path", metavar="FILE",
        help="text file with one image name a line: take only these",
    )  # fmt: skip
    add_missing_argument(parser)


def add_missing_argument(parser: "argparse._ActionsContainer") -> None:
    """Add ``--missing-images``."""
    parser.add_argument(
        "--missing-images", choices=("error", "skip"),
        help="listed or annotated images that do not exist (default: error)",
    )  # fmt: skip


def reading(args: Namespace) -> "Reading":
    """Return the `nanodet.data.reading.Reading` of a command's arguments."""
    from nanodet.data.reading import CHOICES, Reading  # --help needs no packages

    given: dict[str, Any] = {key: getattr(args, key, None) for key in CHOICES}
    return Reading(**given, place="--")


def add_class_agnostic_argument(parser: ArgumentParser, default: str) -> None:
    """Add ``--class-agnostic-nms``; ``default`` says in words whose setting holds without it."""
    parser.add_argument(
        "--class-agnostic-nms", action=argparse.BooleanOptionalAction,
        help=f"one box per object: of two that overlap, the higher scored is kept, whatever their classes "
        f"(default: {default})",
    )  # fmt: skip


def add_model_arguments(parser: ArgumentParser, config: str = "") -> None:
    """Add ``model``, ``--config``, ``--fit``, ``--size``, ``--threads`` and ``--engine``.

    Args:
        config: what else the config is for, in words.
    """
    parser.add_argument(
        "model", metavar="MODEL", help=".ckpt, .onnx or .param file, or a published name"
    )
    parser.add_argument(
        "--config", metavar="CONFIG", help=f"config, for a checkpoint that contains none{config}"
    )
    parser.add_argument(
        "--fit", type=fit_name, metavar="{own,letterbox,stretch}",
        help="how images are fitted into the network's input (default: the model's)",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=size_wxh, metavar="WxH", help="network input (default: the model's)"
    )
    parser.add_argument("--threads", type=thread_count, metavar="N", help="CPU threads to use")
    parser.add_argument(
        "--engine", type=engine_name, metavar="{onnxruntime,openvino}",
        help="what runs an .onnx file (default: onnxruntime)",
    )  # fmt: skip
