"""Reader of YOLO's text files, one a picture."""

from collections import Counter
from pathlib import Path

import numpy as np
import yaml

from nanodet.data.assemble import (
    check_folder,
    checked_names,
    make_picture,
    read_text,
    select,
    whole_number,
)
from nanodet.data.classes import match_classes
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.runtime.pictures import SUFFIXES, picture_size

FEW = 5  # numbers of classes that a message lists
NAME_FILES = ("data.yaml", "classes.txt", "obj.names")


def read_yolo(img_path, ann_path, list_path, class_names, reading):
    """Read a folder of YOLO text files.

    A line is ``class cx cy w h``, in parts of the picture's width and height; a line
    ``class x1 y1 x2 y2 x3 y3 ...`` is a polygon, of which the bounding box counts. Pictures
    without a text file have no boxes.

    Args:
        img_path: folder of pictures, with folders inside it; in alphabetical order.
        ann_path: folder of text files, laid out as ``img_path``.
        list_path: a text file that names the pictures to use (see `select`); None for all.
        class_names: the classes; None for those of data.yaml, classes.txt or obj.names in
            ``ann_path`` or the two folders above it. Where such a file is there, it says what the
            numbers mean, and its names are matched with ``class_names``.
        reading: the `nanodet.data.reading.Reading`.

    Returns:
        `Annotations` with image ids 1, 2, ...; boxes clipped, those without area left out.

    Raises:
        NanodetError: names the text file and the line.
    """
    check_folder(ann_path, "annotations")
    check_folder(img_path, "pictures")
    img_path, ann_path = Path(img_path), Path(ann_path)
    paths = sorted(p for p in img_path.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise NanodetError(f"{img_path}: has no pictures")
    texts = [(ann_path / p.relative_to(img_path)).with_suffix(".txt") for p in paths]
    if not any(text.exists() for text in texts):
        raise NanodetError(f"{ann_path}: has no text file for any picture of {img_path}")
    notes, problems = [], []
    chosen = range(len(paths))
    if list_path is not None:
        names = [str(p.relative_to(img_path)) for p in paths]
        chosen = select(names, list_path, reading, notes)
    file, given = _class_names(ann_path, class_names)
    parsed = [_parse(texts[n]) for n in chosen]
    skipped = _check_numbers(parsed, [texts[n] for n in chosen], len(given), reading, notes)
    objects = sum(
        (np.bincount(labels[labels < len(given)], minlength=len(given)) for labels, *_ in parsed),
        np.zeros(len(given), np.int64),
    )
    classes = match_classes(given, objects, class_names, file, reading)
    labels_of = np.concatenate([classes.labels, [-1]])  # the last for numbers without a class
    pictures = []
    for image_id, (n, (labels, boxes, numbers)) in enumerate(zip(chosen, parsed, strict=True), 1):
        size = picture_size(paths[n])
        labels = labels_of[np.minimum(labels, len(given))]
        kept = labels >= 0
        where = [f"{texts[n]}: line {number}" for number in numbers[kept]]
        with np.errstate(over="ignore"):
            boxes = boxes[kept] * np.tile(size, 2)
        difficult = np.zeros(kept.sum(), bool)
        pictures.append(
            make_picture(paths[n], image_id, size, boxes, labels[kept], difficult, where, problems)
        )
    return Annotations(
        classes.names, tuple(range(1, len(classes.names) + 1)), pictures, problems,
        [*notes, *classes.notes], skipped | classes.skipped,
    )  # fmt: skip


def _check_numbers(parsed, files, count, reading, notes):
    """Return the numbers of classes beyond the names as ``{"class 7": objects}``, or refuse them."""
    lines = [
        (file, int(number), int(label))
        for file, (labels, _, numbers) in zip(files, parsed, strict=True)
        for label, number in zip(labels[labels >= count], numbers[labels >= count], strict=True)
    ]
    if not lines:
        return {}
    found = Counter(label for *_, label in lines)
    file, number, label = lines[0]
    more = ""
    if len(lines) > 1:
        kinds = ", ".join(map(str, sorted(found)[:FEW])) + ", ..." * (len(found) > FEW)
        more = f" ({len(lines)} such lines, of classes {kinds})"
    line = f"{file}: line {number}: class {label} is not one of 0..{count - 1}{more}"
    if reading.unknown_classes != "skip":
        raise NanodetError(
            f"{line}; {reading.spelled('unknown_classes', 'skip')} leaves such lines out"
        )
    notes.append(f"{line}: left out")
    return {f"class {label}": objects for label, objects in sorted(found.items())}


def _parse(file):
    """Return int64 labels, float64 (N, 4) normalised xyxy boxes and line numbers of a text file."""
    labels, boxes, numbers = [], [], []
    lines = read_text(file, "this annotation").splitlines() if file.exists() else []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        where = f"{file}: line {number}"
        try:
            label, *values = (float(word) for word in words)
        except ValueError:
            raise NanodetError(f"{where}: not numbers: {line.strip()!r}") from None
        if not np.isfinite([label, *values]).all():
            raise NanodetError(f"{where}: not finite numbers: {line.strip()!r}")
        if whole_number(label) is None:
            raise NanodetError(f"{where}: class {words[0]} is not a whole number from 0")
        if len(values) == 4:
            x, y, w, h = values
            box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        elif len(values) >= 6 and len(values) % 2 == 0:
            box = (min(values[0::2]), min(values[1::2]), max(values[0::2]), max(values[1::2]))
        else:
            raise NanodetError(
                f"{where}: {len(words)} values, where 'class cx cy w h' or a polygon is expected"
            )
        labels.append(int(label))
        boxes.append(box)
        numbers.append(number)
    return (
        np.array(labels, np.int64), np.reshape(np.array(boxes, np.float64), (-1, 4)),
        np.array(numbers, np.int64),
    )  # fmt: skip


def _class_names(ann_path, class_names):
    """Return what says the names of the numbers, and the names.

    Args:
        ann_path: the folder of text files; it and two above it are looked at.
        class_names: taken where no file there has names.
    """
    for folder in (ann_path, *ann_path.resolve().parents[:2]):
        for name in NAME_FILES:
            file = folder / name
            if file.is_file():
                names = _names_in(file)
                if names:
                    return file, checked_names(names, file)
                if class_names is None:
                    raise NanodetError(f"{file}: has no class names")
    if class_names is not None:
        return ann_path, class_names
    raise NanodetError(
        f"{ann_path}: no class names: set class_names in the config, or put "
        f"{', '.join(NAME_FILES[:-1])} or {NAME_FILES[-1]} beside the annotations"
    )


def _names_in(file):
    """Return the names in a file, None where it has none."""
    text = read_text(file, "this file of class names")
    if file.suffix != ".yaml":
        names = [line.strip() for line in text.splitlines() if line.strip()]
    else:
        try:
            content = yaml.safe_load(text)
        except Exception as error:  # a value that its tag does not fit (!!bool x) raises anything
            raise NanodetError(f"{file}: not valid YAML: {error}") from None
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, dict):
            if set(names) != set(range(len(names))):
                raise NanodetError(f"{file}: the keys of 'names' are not 0, 1, ...")
            names = [names[n] for n in range(len(names))]
    return names if isinstance(names, list) and names else None
