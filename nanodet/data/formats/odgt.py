"""Reader of CrowdHuman's ``.odgt`` files: one JSON object per line, for one image."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nanodet.data.assemble import (
    check_folder,
    checked_names,
    clip_boxes,
    is_finite,
    make_picture,
    select,
    whole_number,
)
from nanodet.data.classes import match_classes
from nanodet.data.formats.coco import FLAGS
from nanodet.data.formats.format import Format, Request
from nanodet.data.formats.units import XYWH, check_pixels
from nanodet.data.formats.values import class_name, image_name, mapping
from nanodet.data.images import look_at_images
from nanodet.data.locate import keep_found
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import ANNOTATIONS, read_text
from nanodet.runtime.fit import Size
from nanodet.text.brief import brief

KEYS = {"full": "fbox", "visible": "vbox", "head": "hbox"}
PERSON, HEAD, MASK = "person", "head", "mask"


class GtBox(NamedTuple):
    """One entry of ``gtboxes``.

    Attributes:
        name: the class; None for a region ("mask") that belongs to every class.
        box: x, y, width, height of the chosen box.
        reach: right and bottom of the visible box, which lies in the image; of ``box`` without one.
        ignored: neither right nor wrong to detect.
        where: names it in messages.
    """

    name: str | None
    box: list[float]
    reach: tuple[float, float]
    ignored: bool
    where: str


class Line(NamedTuple):
    """One image: its ID, its size (0 if the file does not state it) and its `GtBox` list."""

    name: str
    size: Size
    gtboxes: list[GtBox]


def read_odgt(request: Request) -> Annotations:
    """Read an ``.odgt`` file.

    ``reading.box`` chooses the full (the default), visible or head box of each person. Ignored regions
    are entries with the tag ``mask``, those with ``extra: {"ignore": 1}`` and, for head boxes, those with
    ``head_attr: {"ignore": 1}``; a mask is one for every class. Full boxes may extend outside the image,
    and are clipped without being counted as mistakes. The image of a line is ``<ID>.jpg``, or the only one of
    this name with another suffix or in a subfolder. Classes are the tags; that of heads is ``head``.
    """
    img_path, ann_path, list_path, class_names, reading = request
    lines = _parse(ann_path, reading)
    check_folder(img_path, "images")
    notes: list[str] = []
    names = [f"{line.name}.jpg" for line in lines]
    if list_path is not None:
        chosen = select(names, list_path, reading, notes)
        lines, names = [lines[n] for n in chosen], [names[n] for n in chosen]
    # the search finds a bare ID with any suffix
    wanted = [
        name if os.path.isfile(Path(img_path) / name) else line.name
        for name, line in zip(names, lines, strict=True)
    ]
    kept = keep_found(img_path, wanted, ann_path, reading, notes, said=names)
    lines, paths = [lines[n] for n in kept], list(kept.values())

    counts = Counter(one.name for line in lines for one in line.gtboxes if one.name)
    given = sorted(counts) or [HEAD if reading.box == "head" else PERSON]
    checked_names(given, ann_path)
    classes = match_classes(given, [counts[name] for name in given], class_names, ann_path, reading)
    label_of = dict(zip(given, classes.labels.tolist(), strict=True))
    every = [label for label in label_of.values() if label >= 0]

    found = classes.annotations(notes)
    reaches = np.full((len(lines), 2), np.nan)
    for n, line in enumerate(lines):
        for one in line.gtboxes:
            reaches[n] = np.fmax(reaches[n], one.reach)
    said = [line.size for line in lines]
    sizes, turned = look_at_images(found, paths, said, reaches, ann_path, reading)
    raw = np.array([one.box for line in lines for one in line.gtboxes], np.float64).reshape(-1, 4)
    owner = np.repeat(np.arange(len(lines)), [len(line.gtboxes) for line in lines])
    check_pixels(raw, sizes[owner], ann_path, XYWH, found.notes, reading)
    with np.errstate(over="ignore"):
        boxes = np.concatenate([raw[:, :2], raw[:, :2] + raw[:, 2:]], axis=1)
    if reading.box in (None, "full"):
        clipped, sound, _ = clip_boxes(boxes, sizes[owner, 0], sizes[owner, 1])
        boxes[sound] = clipped[sound]
    end = 0
    for n, (line, path) in enumerate(zip(lines, paths, strict=True)):
        start, end = end, end + len(line.gtboxes)
        objects = [
            (box, label, one)
            for box, one in zip(boxes[start:end], line.gtboxes, strict=True)
            for label in (every if one.name is None else [label_of[one.name]])
            if label >= 0
        ]
        picture = make_picture(
            path,
            n + 1,
            size=(int(sizes[n, 0]), int(sizes[n, 1])),
            turned=turned[n],
            boxes=[box for box, _, _ in objects],
            labels=[label for _, label, _ in objects],
            difficult=[one.ignored for _, _, one in objects],
            names=[one.where for _, _, one in objects],
            found=found,
        )
        picture.ignored_crowd[:] = True  # as CrowdHuman matches them: by the part that they cover
        found.pictures.append(picture)
    return found


def _parse(ann_path: StrPath, reading: Reading) -> list[Line]:
    """Return the lines of the file, checked; empty ones are left out."""
    lines: list[Line] = []
    numbers: dict[str, int] = {}
    try:
        content = read_text(ann_path, ANNOTATIONS, "utf-8-sig")
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise NanodetError(f"{ann_path}: line {number}: not text in UTF-8") from None
    for number, text in enumerate(content.split("\n"), 1):
        if not text.strip():
            continue
        where = f"{ann_path}: line {number}"
        with reading.tolerating():
            line = _line(_json(text, where), where, reading)
            if line.name in numbers:
                first = numbers[line.name]
                raise NanodetError(
                    f"{where}: ID {brief(line.name)} occurs twice, first in line {first}"
                )
            numbers[line.name] = number
            lines.append(line)
    if not lines:
        what = (
            "none of its lines can be read" if content.strip() else "this annotation file is empty"
        )
        raise NanodetError(f"{ann_path}: {what}")
    return lines


def _json(text: str, where: str) -> Any:
    """Return the value of a line."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        end = len(text.rstrip())
        cut = error.pos >= end or error.msg.startswith("Unterminated string")
        why = "ends too early" if cut else f"{error.msg} at character {error.pos + 1}"
        raise NanodetError(f"{where}: not valid JSON ({why})") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; too deep
        raise NanodetError(f"{where}: not valid JSON ({error})") from None


def _line(content: Any, where: str, reading: Reading) -> Line:
    if not isinstance(content, dict):
        raise NanodetError(f'{where}: {{"ID": ..., "gtboxes": [...]}} is expected')
    if "ID" not in content:
        raise NanodetError(f"{where}: has no 'ID'")
    name = image_name(content["ID"], "ID", where)
    if not isinstance(content.get("gtboxes"), list):
        raise NanodetError(f"{where}: has no list 'gtboxes'")
    sides = []
    for side in ("width", "height"):
        value = 0 if content.get(side) is None else whole_number(content[side])
        if value is None:
            raise NanodetError(f"{where}: {side} {brief(content[side])} is not a number of pixels")
        sides.append(value)
    gtboxes = []
    for n, entry in enumerate(content["gtboxes"]):
        with reading.tolerating():
            gtboxes.append(_gt_box(entry, f"{where}: gtboxes[{n}]", reading))
    return Line(name, (sides[0], sides[1]), gtboxes)


def _gt_box(entry: Any, where: str, reading: Reading) -> GtBox:
    entry = mapping(entry, f"{where}:")
    tag = class_name(entry, "tag", where)
    chosen = reading.box or "full"
    key = KEYS[chosen]
    if key not in entry:
        raise NanodetError(f"{where}: has no {key!r}, which {reading.spelled('box', chosen)} reads")
    box = entry[key]
    if not _is_box(box):
        raise NanodetError(f"{where}: {key} {brief(box)} is not four numbers x, y, width, height")
    seen = entry.get("vbox")
    x, y, w, h = map(float, seen if isinstance(seen, list) and _is_box(seen) else box)
    mask = tag == MASK
    ignored = _flag(entry, "extra", where) | mask
    if chosen == "head":
        ignored |= _flag(entry, "head_attr", where)
    name = HEAD if chosen == "head" and tag == PERSON else tag
    return GtBox(None if mask else name, [*map(float, box)], (x + w, y + h), ignored, where)


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(is_finite, value))


def _flag(entry: dict[str, Any], key: str, where: str) -> bool:
    """Return the ``ignore`` of the object ``key``, false without one."""
    more = entry.get(key)
    if more is None:
        return False
    value = mapping(more, f"{where}: {key}").get("ignore")
    if isinstance(value, (list, dict)) or value not in FLAGS:
        raise NanodetError(f"{where}: {key}.ignore {brief(value)} is not 0 or 1")
    return FLAGS[value]


FORMAT = Format(read_odgt, ("odgt", "crowdhuman"), (".odgt",), lambda head: True, folder=False)
