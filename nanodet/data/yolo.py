"""Reader of YOLO's text files, one a picture."""

from pathlib import Path

import numpy as np
import yaml

from nanodet.data.assemble import (
    check_folder,
    checked_names,
    make_picture,
    read_text,
    select,
)
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.runtime.pictures import SUFFIXES, picture_size

NAME_FILES = ("data.yaml", "classes.txt", "obj.names")


def read_yolo(img_path, ann_path, list_path=None, class_names=None):
    """Read a folder of YOLO text files.

    A line is ``class cx cy w h``, in parts of the picture's width and height; a line
    ``class x1 y1 x2 y2 x3 y3 ...`` is a polygon, of which the bounding box counts. Pictures
    without a text file have no boxes.

    Args:
        img_path: folder of pictures, with folders inside it; in alphabetical order.
        ann_path: folder of text files, laid out as ``img_path``.
        list_path: a text file that names the pictures to use (see `select`); None for all.
        class_names: the classes; None to look for data.yaml, classes.txt or obj.names in
            ``ann_path`` and the two folders above it.

    Returns:
        `Annotations` with image ids 1, 2, ...; boxes clipped, those without area left out.

    Raises:
        NanodetError: names the text file and the line.
    """
    check_folder(ann_path, "annotations")
    check_folder(img_path, "pictures")
    img_path, ann_path = Path(img_path), Path(ann_path)
    if class_names is None:
        class_names = _class_names(ann_path)
    paths = sorted(p for p in img_path.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise NanodetError(f"{img_path}: has no pictures")
    texts = [(ann_path / p.relative_to(img_path)).with_suffix(".txt") for p in paths]
    if not any(text.exists() for text in texts):
        raise NanodetError(f"{ann_path}: has no text file for any picture of {img_path}")
    chosen = range(len(paths))
    if list_path is not None:
        chosen = select([str(p.relative_to(img_path)) for p in paths], list_path)
    pictures, problems = [], []
    for image_id, n in enumerate(chosen, 1):
        size = picture_size(paths[n])
        labels, boxes, numbers = _parse(texts[n], len(class_names))
        where = [f"{texts[n]}: line {number}" for number in numbers]
        with np.errstate(over="ignore"):
            boxes = np.reshape(boxes, (-1, 4)) * np.tile(size, 2)
        difficult = np.zeros(len(labels), bool)
        pictures.append(
            make_picture(paths[n], image_id, size, boxes, labels, difficult, where, problems)
        )
    return Annotations(
        tuple(class_names), tuple(range(1, len(class_names) + 1)), pictures, problems
    )


def _parse(file, classes):
    """Return labels, normalised xyxy boxes and line numbers of one text file."""
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
        if label not in range(classes):
            raise NanodetError(f"{where}: class {words[0]} is not one of 0..{classes - 1}")
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
    return labels, boxes, numbers


def _class_names(ann_path):
    for folder in (ann_path, *ann_path.resolve().parents[:2]):
        for name in NAME_FILES:
            file = folder / name
            if file.is_file():
                return _names_in(file)
    raise NanodetError(
        f"{ann_path}: no class names: set class_names in the config, or put "
        f"{', '.join(NAME_FILES[:-1])} or {NAME_FILES[-1]} beside the annotations"
    )


def _names_in(file):
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
    if not isinstance(names, list) or not names:
        raise NanodetError(f"{file}: has no class names")
    return checked_names(names, file)
