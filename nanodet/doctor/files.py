"""Faults of images and annotation files."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from nanodet.data.reading import Fault
from nanodet.data.records import Picture, in_both
from nanodet.doctor.examined import STOPPED, Examined
from nanodet.doctor.finding import ERROR, NOTE, WARNING, Finding, of_lines, of_paths, of_pictures
from nanodet.files.folders import files_below
from nanodet.images.image_file import is_picture_name
from nanodet.text.counted import counted

MOST = 0.5  # fraction of the images; if more have no boxes, there is a warning
_UNREADABLE = (
    "unreadable-images",
    "images cannot be read or are truncated",
    "Replace these files or remove them: the training stops at the first one.",
)
_FAULTS = {  # kind of a `Fault`: code, what, advice
    "images": _UNREADABLE,  # where not one can be read; else `of_images` tells
    "missing": (
        "missing-images",
        "annotated images do not exist",
        "Put the images there or correct img_path; missing_images: skip trains without them.",
    ),
    "entry": (
        "broken-entries",
        "entries of the annotations cannot be read",
        "Correct these entries: the reader cannot know what was meant.",
    ),
    "form": (
        "box-form",
        "boxes have another unit or form than the format has",
        "Convert the boxes: read as they are, most would lie at wrong places, and the AP would be near 0.",
    ),
    "classes": (
        "class-names",
        "class names do not fit",
        "Use the same names in the annotations and in class_names; unknown_classes: skip leaves "
        "objects of other classes out.",
    ),
    "orientation": (
        "orientation",
        "images turned by EXIF, and it is unclear on which orientation they were labelled",
        "Set orientation: turned or stored. Wrong, the boxes of these images lie at wrong places.",
    ),
    STOPPED: (
        "unreadable-annotations",
        "the set cannot be read",
        "Correct this first: nothing behind it has been looked at.",
    ),
}


def of_faults(part: str, faults: Sequence[Fault]) -> Iterator[Finding]:
    """Yield what stopped the reader, by kind."""
    for kind, (code, what, advice) in _FAULTS.items():
        lines = [fault.line for fault in faults if fault.kind == kind]
        if lines:
            count = len(lines) if kind in ("entry", "images") else 0
            yield Finding(ERROR, code, part, what, advice, count, examples=of_lines(lines))


def of_images(one: Examined) -> Iterator[Finding]:
    """Yield what is wrong with the image files of a set."""
    found, counts, total = one.annotations, one.annotations.counts, len(one.pictures)
    starts = tuple(f"{path}: " for path in found.unreadable)
    unreadable = [line for line in found.bad_pictures if line.startswith(starts)]
    sizes = [line for line in found.bad_pictures if not line.startswith(starts)]
    if unreadable:
        code, what, advice = _UNREADABLE
        lines = of_lines(unreadable)
        yield Finding(ERROR, code, one.part, what, advice, len(unreadable), total, lines)
    if sizes:
        yield Finding(
            ERROR, "image-sizes", one.part, "images have another size than their annotation says",
            "Label these images again or restore the originals: after resizing, boxes in pixels lie at "
            "wrong places.",
            len(sizes), total, of_lines(sizes),
        )  # fmt: skip
    if counts.exif:
        yield Finding(
            NOTE, "exif", one.part,
            f"images are turned by EXIF, {counts.stored} of them labelled as stored",
            "Nothing to do; check in the samples that their boxes lie on the objects.",
            counts.exif, total,
        )  # fmt: skip
    repeated = one.summary.same_images
    if repeated:
        first: dict[Path, Picture] = {}
        again = [p for p in one.pictures if first.setdefault(p.path, p) is not p]
        yield Finding(
            WARNING, "images-listed-twice", one.part, "images are listed twice",
            "Remove the second entries: repeats count again, in training and in AP.",
            repeated, total, of_pictures(again),
        )  # fmt: skip


def of_labels(one: Examined) -> Iterator[Finding]:
    """Yield what is wrong with the pairing of images and annotations of a set."""
    counts, total = one.annotations.counts, len(one.pictures)
    if counts.without_picture:
        yield Finding(
            WARNING, "labels-without-image", one.part, "label files have no image",
            "Give both the same name, or remove the label files: their objects are not trained on.",
            counts.without_picture,
        )  # fmt: skip
    empty = [p for p in one.pictures if not len(p.boxes) and not len(p.ignored)]
    if empty:
        lacking = counts.without_labels
        files = f"; without a label file: {counted(lacking, 'image')}" if lacking else ""
        yield Finding(
            WARNING if len(empty) > MOST * total else NOTE, "images-without-objects", one.part,
            f"images have no object{files}",
            "Fine if nothing is to be found in them: they teach the background. Objects in them that "
            "are not labelled would be taught as background, too: look at some.",
            len(empty), total, of_pictures(empty),
        )  # fmt: skip


def of_both(train: Examined, val: Examined) -> Iterator[Finding]:
    """Yield images that are in both sets."""
    shared = in_both(train.pictures, val.pictures)
    if shared:
        yield Finding(
            WARNING, "same-images-in-both", "", "images of data.val are also in data.train",
            "Take them out of one set: AP on images that were trained on says little.",
            len(shared), len(val.pictures), of_pictures(shared),
        )  # fmt: skip


def unmentioned(sets: Sequence[Examined]) -> Iterator[Finding]:
    """Yield images that lie in the folders of the sets, and that no annotation mentions."""
    known = {os.path.realpath(p.path) for one in sets for p in one.pictures}
    known |= {os.path.realpath(path) for one in sets for path in one.annotations.unreadable}
    folders = {Path(one.section.img_path) for one in sets}
    found = {path for folder in folders for path in files_below(folder) if is_picture_name(path)}
    others = sorted(path for path in found if os.path.realpath(path) not in known)
    if others:
        yield Finding(
            NOTE, "images-not-annotated", "", "images in the folders are in neither set",
            "They are not used. Label them or add them to a list if they should be.",
            len(others), len(known) + len(others), of_paths(others),
        )  # fmt: skip
