"""Reader of Pascal VOC's XML, one file per image."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from nanodet.data.assemble import (
    check_folder,
    make_picture,
    select,
    whole_number,
)
from nanodet.data.classes import match_classes
from nanodet.data.formats.files import pictures_of_files
from nanodet.data.formats.format import Format, Request
from nanodet.data.formats.xml_file import parse_xml
from nanodet.data.images import look_at_images
from nanodet.data.locate import keep_found
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.data.units import CORNERS, check_pixels
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.folders import files_below
from nanodet.files.inputs import ANNOTATION
from nanodet.runtime.fit import Size
from nanodet.text.brief import brief, brief_text

FLAGS = {"": False, "false": False, "unspecified": False, "true": True}


def read_voc(request: Request) -> Annotations:
    """Read a folder of Pascal VOC XML files.

    VOC counts pixels from 1; coordinates are used unchanged, as in the original NanoDet and as most
    tools that write such files mean them. ``difficult`` objects become ignored regions.

    The image of an XML file is the one that its ``filename`` names or, if that does not exist, the one with
    the XML file's stem: in the same subfolder as the XML file in ``ann_path``, or directly in ``img_path``;
    finally, one with its ``filename`` in any subfolder.
    """
    img_path, ann_path, list_path, class_names, reading = request
    check_folder(ann_path, "annotations")
    check_folder(img_path, "images")
    files = sorted(
        path for path in files_below(ann_path, pipes=True) if path.suffix.lower() == ".xml"
    )
    if not files:
        raise NanodetError(f"{ann_path}: has no XML files")
    notes: list[str] = []
    taken: dict[Path, Path] = {}
    if list_path is not None:
        names = [str(file.relative_to(ann_path)) for file in files]
        chosen = select(names, list_path, reading, notes, "XML file of")
        files = [files[n] for n in chosen]
    parsed = _parse_all(files, reading)
    known, there = pictures_of_files(img_path, [part[:2] for part in parsed], ann_path, notes)
    wanted = [
        str(file.relative_to(ann_path).parent / (filename or file.stem))
        for file, filename, *_ in parsed
    ]
    said = [f"{brief(name)} of {file}" for name, (file, *_) in zip(wanted, parsed, strict=True)]
    kept = keep_found(img_path, wanted, ann_path, reading, notes, known=known, said=said)
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for n in kept:
        for entry in parsed[n][3]:
            counts[entry["name"]] += 1
            first.setdefault(entry["name"], parsed[n][0].name)
    given = sorted(counts)
    classes = match_classes(
        given, [counts[name] for name in given], class_names, ann_path, reading, listed=False,
        first=[first[name] for name in given],
    )  # fmt: skip
    if not classes.names:
        raise NanodetError(f"{ann_path}: no object in it names a class; set class_names")
    label_of = dict(zip(given, classes.labels.tolist(), strict=True))

    found = Annotations(
        classes.names, tuple(range(1, len(classes.names) + 1)), [],
        notes=[*notes, *classes.notes], skipped=classes.skipped,
    )  # fmt: skip
    if list_path is None:
        found.counts.without_labels = len(there - set(kept.values()))
    paths = list(kept.values())
    parsed = [parsed[n] for n in kept]
    boxes = [_boxes(objects) for *_, objects in parsed]
    reaches = np.array([b[:, 2:].max(axis=0) if len(b) else (np.nan, np.nan) for b in boxes])
    annotated = [size for _, _, size, _ in parsed]
    sizes, turned = look_at_images(found, paths, annotated, reaches, ann_path, reading)
    owner = np.repeat(np.arange(len(boxes)), [len(b) for b in boxes])
    check_pixels(np.concatenate(boxes), sizes[owner], ann_path, CORNERS, found.notes, reading)
    for n, (path, (file, _, _, objects)) in enumerate(zip(paths, parsed, strict=True)):
        if path in taken:
            found.problems.append(f"{file}: describes {path.name}, as {taken[path].name} does")
        taken.setdefault(path, file)
        numbered = [
            (f"{file}: object {number}", entry)
            for number, entry in enumerate(objects, 1)
            if label_of[entry["name"]] >= 0
        ]
        picture = make_picture(
            path,
            n + 1,
            size=tuple(sizes[n].tolist()),
            turned=turned[n],
            boxes=[entry["box"] for _, entry in numbered],
            labels=[label_of[entry["name"]] for _, entry in numbered],
            difficult=[entry["difficult"] for _, entry in numbered],
            names=[where for where, _ in numbered],
            found=found,
            listed=str(file.relative_to(ann_path)),
        )
        found.pictures.append(picture)
    return found


def _boxes(objects: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return float64 (N, 4) xyxy of parsed objects."""
    return np.array([entry["box"] for entry in objects], np.float64).reshape(-1, 4)


def _parse_all(
    files: Sequence[Path], reading: Reading
) -> list[tuple[Path, str, Size, list[dict[str, Any]]]]:
    parsed = []
    for file in files:
        try:
            parsed.append((file, *_parse(file)))
        except NanodetError as error:
            reading.refuse(error, "entry")
    return parsed


def _parse(file: Path) -> tuple[str, Size, list[dict[str, Any]]]:
    """Return the file name of the image, its size (0 if unknown) and a list of objects."""
    root = parse_xml(file, ANNOTATION)
    if root.tag != "annotation":
        raise NanodetError(f"{file}: not a Pascal VOC annotation: its root is <{root.tag}>")
    filename = (root.findtext("filename") or "").strip().replace("\\", "/")
    size = _side(root, "width", file), _side(root, "height", file)
    objects = [
        _object(node, f"{file}: object {n}") for n, node in enumerate(root.iter("object"), 1)
    ]
    return filename, size, objects


def _side(root: ElementTree.Element, side: str, file: StrPath) -> int:
    """Return the image's width or height, 0 if it is missing or not a number."""
    value = _number(root.find(f"size/{side}")) or 0
    if whole_number(value) is None:
        raise NanodetError(f"{file}: {side} {value:g} is not a number of pixels")
    return int(value)


def _object(node: ElementTree.Element, where: str) -> dict[str, Any]:
    name = (node.findtext("name") or "").strip()
    if not name:
        raise NanodetError(f"{where} has no <name>")
    box = []
    for side in ("xmin", "ymin", "xmax", "ymax"):
        element = node.find(f"bndbox/{side}")
        if element is None:
            raise NanodetError(f"{where} ({brief_text(name)}) has no <{side}> in its <bndbox>")
        value = _number(element)
        if value is None:
            raise NanodetError(
                f"{where} ({brief_text(name)}): {side} {brief(element.text)} is not a number"
            )
        box.append(value)
    text = (node.findtext("difficult") or "").strip()
    difficult = FLAGS.get(text.lower(), _number(node.find("difficult")))
    if difficult not in (0, 1):
        raise NanodetError(f"{where} ({brief_text(name)}): difficult {brief(text)} is not 0 or 1")
    return {"name": name, "box": box, "difficult": bool(difficult)}


def _number(element: ElementTree.Element | None) -> float | None:
    """Return an element's value as float, None if it is missing or not a finite number."""
    if element is None or element.text is None:
        return None
    try:
        value = float(element.text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


FORMAT = Format(
    read_voc, ("voc", "xml_dataset"), (".xml",), lambda head: head.root == "annotation",
    usual=True, unknown_classes="skip",
)  # fmt: skip
