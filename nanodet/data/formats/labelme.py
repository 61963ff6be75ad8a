"""Reader of LabelMe's JSON, one file per image.

The keys are those of `labelme/_label_file.py` in LabelMe's repository; X-AnyLabeling writes the same, with
``difficult`` for each shape.
"""

import math
from collections import Counter
from pathlib import Path
from typing import Any

from nanodet.data.assemble import is_file_name, read_json
from nanodet.data.formats.entries import Entry, LabelledObject, left_out
from nanodet.data.formats.files import annotations_of_files, chosen_files
from nanodet.data.formats.format import Format, Request
from nanodet.data.formats.head import Head
from nanodet.data.formats.outlines import Box, box_of_ellipse, box_of_points, union
from nanodet.data.formats.values import class_name, entries_in, mapping, points_of, side
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files.inputs import ANNOTATION_WITH_IMAGE
from nanodet.text.brief import brief, brief_text
from nanodet.text.names import first_few

POINTS = {"rectangle": (2, 4), "circle": (2, 2), "mask": (2, 2), "polygon": (3, math.inf),
          "oriented_rectangle": (4, 4), "rotation": (4, 4)}  # fmt: skip
WITHOUT_AREA = ("point", "points", "line", "linestrip")


def read_labelme(request: Request) -> Annotations:
    """Read a folder of LabelMe's JSON files.

    Rectangles, polygons, circles and masks count with their bounding boxes, shapes of the same label and
    ``group_id`` in one image as one object; points and lines are left out, with a note. ``imageData`` is
    not used: the images must be files. The image of a file is that of its ``imagePath`` or of its stem, see
    `nanodet.data.formats.files`; files without ``shapes`` and ``imagePath`` are left out.
    """
    ann_path, reading = request.ann_path, request.reading
    notes: list[str] = []
    without: Counter[str] = Counter()
    found: list[Entry] = []
    others = []
    for file in chosen_files(request, ".json", notes):
        with reading.tolerating():
            content = read_json(file, ANNOTATION_WITH_IMAGE)
            if isinstance(content, dict) and {"shapes", "imagePath"} & content.keys():
                found.append(_parse(file, content, reading, without))
            else:
                others.append(file)
    if others and not found:
        raise NanodetError(f"{others[0]}: not a LabelMe annotation: it has no 'shapes'")
    if others:
        names = [file.name for file in others]
        notes.append(f"{ann_path}: not LabelMe's, left out: {first_few(names)}")
    notes += left_out("shapes without a box", without, ann_path)
    return annotations_of_files(found, request, notes, "imagePath")


def _parse(file: Path, content: dict[str, Any], reading: Reading, without: Counter[str]) -> Entry:
    name = content.get("imagePath") or ""
    if not isinstance(name, str) or not is_file_name(name):
        raise NanodetError(f"{file}: imagePath {brief(name)} is not the name of an image")
    size = side(content, "imageWidth", str(file)), side(content, "imageHeight", str(file))
    if "shapes" not in content:
        raise NanodetError(f"{file}: has no 'shapes'")
    grouped: dict[Any, list[LabelledObject]] = {}
    for n, value in enumerate(entries_in(content, "shapes", str(file))):
        where = f"{file}: shapes[{n}]"
        with reading.tolerating():
            shape = mapping(value, f"{where}:")
            group = shape.get("group_id")
            if group is not None and type(group) not in (int, str):
                raise NanodetError(f"{where}: group_id {brief(group)} is not a number")
            one = _object(shape, where, without)
            if one is not None:
                key = n if group is None else (one.name, group)
                grouped.setdefault(key, []).append(one)
    objects = [some[0]._replace(box=union([one.box for one in some])) for some in grouped.values()]
    return Entry(name.strip().replace("\\", "/"), size, objects, file=file)


def _object(shape: dict[str, Any], where: str, without: Counter[str]) -> LabelledObject | None:
    """Return the object of a shape; None, and a count, for one without an area."""
    label = class_name(shape, "label", where)
    where += f" ({brief_text(label)})"
    kind = shape.get("shape_type") or "polygon"
    if kind in WITHOUT_AREA:
        without[kind] += 1
        return None
    return LabelledObject(label, _box(shape, kind, where), where, shape.get("difficult") is True)


def _box(shape: dict[str, Any], kind: object, where: str) -> Box:
    if not isinstance(kind, str) or kind not in POINTS:
        raise NanodetError(f"{where}: shape_type {brief(kind)} is none of {', '.join(POINTS)}")
    points = points_of(shape.get("points"), "points", where)
    low, high = POINTS[kind]
    if not low <= len(points) <= high and not (kind == "polygon" and len(points) == 2):
        raise NanodetError(f"{where}: a {kind} of {len(points)} points")
    if kind == "circle":
        (cx, cy), end = points
        radius = math.dist((cx, cy), end)
        return box_of_ellipse(cx, cy, radius, radius)
    x1, y1, x2, y2 = box_of_points(points)
    if kind == "mask":  # its corners are the first and the last pixel
        return x1, y1, x2 + 1, y2 + 1
    return x1, y1, x2, y2


def _recognises(head: Head) -> bool:
    outline = head.outline
    return outline is not None and outline.top == "{" and "shapes" in outline.keys[0]


FORMAT = Format(read_labelme, ("labelme",), (".json",), _recognises)
