"""Reader of YOLO's text files, one per image."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nanodet.data.assemble import (
    MOST_CLASSES,
    check_folder,
    make_picture,
    read_text,
    select,
    whole_number,
)
from nanodet.data.classes import match_classes
from nanodet.data.formats.format import Format, Request
from nanodet.data.formats.head import Head
from nanodet.data.formats.units import check_parts
from nanodet.data.formats.yolo_files import pair_files
from nanodet.data.formats.yolo_lines import Line, boxes_of_lines, wrong_count
from nanodet.data.formats.yolo_names import find_class_names, find_keypoint_shape
from nanodet.data.images import look_at_images
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files.inputs import ANNOTATION
from nanodet.text.brief import brief, brief_text
from nanodet.text.names import first_few, shortened


def read_yolo(request: Request) -> Annotations:
    """Read a folder of YOLO text files.

    A line is ``class cx cy w h``, in fractions of the image's width and height, or the same followed
    by keypoints; or a polygon ``class x1 y1 x2 y2 x3 y3 ...``, whose bounding box is used: see
    `nanodet.data.formats.yolo_lines`. Images without a text file have no boxes.
    ``ann_path`` has the same subfolders as ``img_path``; images are in alphabetical order.

    The class numbers are those of data.yaml, classes.txt or obj.names in ``ann_path`` or the three folders
    above it, or of any YAML or ``.names`` file there; their names are matched with ``class_names``. Without
    such a file, they are those of ``class_names``.
    """
    img_path, ann_path, list_path, class_names, reading = request
    check_folder(ann_path, "annotations")
    check_folder(img_path, "images")
    img_path, ann_path = Path(img_path), Path(ann_path)
    notes: list[str] = []
    paths, texts, without_picture = pair_files(img_path, ann_path, notes)
    chosen = list(range(len(paths)))
    if list_path is not None:
        names = [str(p.relative_to(img_path)) for p in paths]
        chosen = select(names, list_path, reading, notes)
    file, given = find_class_names(ann_path, class_names, reading, notes)
    whose = reading.names_of if file == ann_path else file
    labelled = {n: text for n in chosen if (text := texts[n]) is not None}
    by_picture = {n: _parse(text, reading) for n, text in labelled.items()}
    parsed = [by_picture.get(n, []) for n in chosen]
    lines = [line for part in parsed for line in part]
    skipped = _check_numbers(lines, given, whose, reading, notes)
    labels = np.minimum(np.array([line.label for line in lines], np.int64), len(given))
    objects = np.bincount(labels, minlength=len(given) + 1)[:-1]
    classes = match_classes(given, objects, class_names, file, reading)
    labels = np.append(classes.labels, -1)[labels]  # the last for numbers without a class
    found = classes.annotations(notes)
    found.skipped = skipped | found.skipped
    found.counts.without_labels = len(chosen) - len(labelled)
    if list_path is None:
        found.counts.without_picture = without_picture
    boxes = boxes_of_lines(lines, reading, find_keypoint_shape(ann_path, file))
    check_parts(lines, boxes, ann_path, found.notes, reading)
    paths = [paths[n] for n in chosen]
    reaches = np.array([(0.0, 0.0) if part else (np.nan, np.nan) for part in parsed])
    sizes, turned = look_at_images(found, paths, [(0, 0)] * len(paths), reaches, ann_path, reading)
    end = 0
    for n, (path, part) in enumerate(zip(paths, parsed, strict=True)):
        start, end = end, end + len(part)
        own = np.flatnonzero(labels[start:end] >= 0) + start
        size = tuple(sizes[n].tolist())
        with np.errstate(over="ignore"):
            scaled = boxes[own] * np.tile(size, 2)
        difficult, where = np.zeros(len(own), bool), [lines[line].where for line in own]
        found.pictures.append(
            make_picture(
                path,
                n + 1,
                size=size,
                turned=turned[n],
                boxes=scaled,
                labels=labels[own],
                difficult=difficult,
                names=where,
                found=found,
            )
        )
    return found


def _check_numbers(
    lines: Sequence[Line], names: Sequence[str], whose: object, reading: Reading, notes: list[str]
) -> dict[str, int]:
    """Return the numbers of classes beyond the names as ``{"class 7": objects}``, or refuse them."""
    found = Counter(line.label for line in lines)
    beyond = Counter({label: found[label] for label in sorted(found) if label >= len(names)})
    if not beyond:
        return {}
    first = next(line for line in lines if line.label in beyond)
    more = ""
    if beyond.total() > 1:
        kinds = first_few([str(label) for label in beyond])
        more = f" ({beyond.total()} such lines, of classes {kinds})"
    line = (
        f"{first.where}: class {first.label} is not one of 0..{len(names) - 1}{more}, as numbered in "
        f"{whose} ({shortened(names)})"
    )
    if reading.unknown_classes == "skip":
        notes.append(f"{line}: left out")
    else:
        start = "" if found[0] else "numbers start at 0; "
        skip = reading.spelled("unknown_classes", "skip")
        reading.refuse(NanodetError(f"{line}; {start}{skip} leaves such lines out"), "classes")
    return {f"class {label}": objects for label, objects in beyond.items()}


def _parse(file: Path, reading: Reading) -> list[Line]:
    """Return the `Line` list of a text file."""
    parsed = []
    for number, line in enumerate(read_text(file, ANNOTATION).splitlines(), 1):
        if line.strip():
            with reading.tolerating():
                parsed.append(_parse_line(file, number, line.strip(), reading))
    return parsed


def _parse_line(file: Path, number: int, line: str, reading: Reading) -> Line:
    where, words = f"{file}: line {number}", line.split()
    try:
        label, *values = (float(word) for word in words)
    except ValueError:
        raise NanodetError(f"{where}: not numbers: {brief(line)}") from None
    if not np.isfinite([label, *values]).all():
        raise NanodetError(f"{where}: not finite numbers: {brief(line)}")
    if whole_number(label) is None:
        raise NanodetError(f"{where}: class {brief_text(words[0])} is not a whole number from 0")
    parsed = Line(file, number, int(label), values)
    if len(values) < 4:
        raise wrong_count(parsed, reading)
    return parsed


def _recognises(head: Head) -> bool:
    """Return whether the first line is a class number and at least four other numbers."""
    words = next((line.split() for line in head.text.splitlines() if line.strip()), [])
    return (
        len(words) >= 5 and all(map(_is_number, words)) and float(words[0]) in range(MOST_CLASSES)
    )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


FORMAT = Format(read_yolo, ("yolo",), (".txt",), _recognises, usual=True)
