"""Reader of the files of VGG's Image Annotator (VIA) 1 and 2: projects, and exported JSON and CSV.

The keys are those of `via-2.x.y/src/via.js` in the repository ox-vgg/via; files of VIA 1 have regions as an
object instead of a list, and ``#`` before the first column of CSV.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nanodet.data.assemble import read_json
from nanodet.data.formats.csv_table import has_columns, table
from nanodet.data.formats.entries import Entry, LabelledObject, annotations_of, left_out
from nanodet.data.formats.format import Format, Request
from nanodet.data.formats.head import Head
from nanodet.data.formats.outlines import Box, box_of_ellipse, box_of_points
from nanodet.data.formats.values import entries_in, image_name, mapping, number
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.folders import files_below
from nanodet.files.inputs import ANNOTATIONS
from nanodet.text.brief import brief, brief_text
from nanodet.text.names import first_few

COLUMNS = ("filename", "region_count", "region_shape_attributes", "region_attributes")
WITHOUT_AREA = ("point", "polyline", "line")
CHOSEN = ("radio", "dropdown", "checkbox", "image")  # types of attributes that have options
USUAL = (
    "class",
    "label",
    "category",
    "name",
    "type",
    "object",
)  # names of the attribute of the class
ONLY = "object"  # the class of a file without attributes


class Region(NamedTuple):
    """One region: its shape, its attributes, and its name in messages."""

    shape: dict[str, Any]
    attributes: dict[str, Any]
    where: str


class Image(NamedTuple):
    """One image: its name, the size of its file in bytes (-1: not known), and its regions."""

    name: str
    size: float
    regions: list[Region]


def read_via(request: Request) -> Annotations:
    """Read a project of VIA, or its exported annotations as JSON or CSV.

    Rectangles, polygons, circles and ellipses count with their bounding boxes; points and lines are left
    out, with a note. The class is the value of the only attribute of regions; of several, of the only one
    with options (radio, dropdown, checkbox), then of the one called ``class``, ``label``, ``category``,
    ``name``, ``type`` or ``object``. Without class names, the classes are the options of the attribute, or
    its values.
    """
    ann_path, reading = request.ann_path, request.reading
    options: dict[str, list[str]] = {}
    if str(ann_path).lower().endswith(".csv"):
        images = _of_csv(ann_path, reading)
    else:
        images = _of_json(ann_path, options, reading)
    if not images:
        raise NanodetError(f"{ann_path}: has no images")
    regions = [region for image in images for region in image.regions]
    kinds = [region.shape.get("name") for region in regions]
    without = Counter(kind for kind in kinds if kind in WITHOUT_AREA)
    notes = left_out("regions without a box", without, ann_path)
    taken = [region for region in regions if region.shape.get("name") not in WITHOUT_AREA]
    key = _class_key(taken, options, ann_path)
    if key is None and taken:
        notes.append(f"{ann_path}: no region has an attribute for its class: all are {ONLY!r}")
    entries = []
    paths = _by_size(images, Path(request.img_path))
    for image in images:
        objects: list[LabelledObject] = []
        for region in image.regions:
            with reading.tolerating():
                objects += _objects(region, key)
        entries.append(Entry(image.name, (0, 0), objects, path=paths.get((image.name, image.size))))
    return annotations_of(entries, request, notes, options.get(key or "", []))


def _of_json(path: StrPath, options: dict[str, list[str]], reading: Reading) -> list[Image]:
    """Return the images of a file; ``options`` gets those of each attribute."""
    content = mapping(read_json(path, ANNOTATIONS), f"{path}: this annotation file")
    if "_via_img_metadata" in content:
        attributes = content.get("_via_attributes")
        about = attributes.get("region") if isinstance(attributes, dict) else None
        for name, one in about.items() if isinstance(about, dict) else ():
            if isinstance(one, dict) and one.get("type") in CHOSEN:
                choices = one.get("options")
                options[name] = _stripped(choices) if isinstance(choices, dict) else []
        content = mapping(content["_via_img_metadata"], f"{path}: _via_img_metadata")
    images = []
    for key, value in content.items():
        with reading.tolerating():
            images.append(_image(value, f"{path}: {brief_text(key)}", reading))
    return images


def _image(value: Any, where: str, reading: Reading) -> Image:
    image = mapping(value, f"{where}:")
    name = image_name(image.get("filename"), "filename", where).strip()
    regions = image.get("regions")
    if isinstance(regions, dict):  # VIA 1
        regions = list(regions.values())
    found = []
    for n, one in enumerate(entries_in({"regions": regions}, "regions", where)):
        place = f"{where}: regions[{n}]"
        with reading.tolerating():
            region = mapping(one, f"{place}:")
            shape = mapping(region.get("shape_attributes"), f"{place}: shape_attributes")
            about = mapping(region.get("region_attributes") or {}, f"{place}: region_attributes")
            found.append(Region(shape, about, place))
    return Image(name, _bytes(image, "size"), found)


def _bytes(image: dict[str, Any], key: str) -> float:
    try:
        return number(image, key, "", -1)
    except NanodetError:
        return -1


def _by_size(images: Sequence[Image], folder: Path) -> dict[tuple[str, float], Path]:
    """Return the files of images that are not in the folder itself with this size, by name and size.

    VIA does not store the folders of files; this tells those of the same name from each other.
    """
    wanted = set()
    for image in images:
        path = folder / image.name
        if not (os.path.isfile(path) and image.size in (-1, path.stat().st_size)):
            wanted.add((image.name, image.size))
    names = {name for name, _ in wanted}
    found: dict[tuple[str, float], list[Path]] = {}
    for path in files_below(folder) if names and folder.is_dir() else ():
        if path.name in names and path.exists():
            found.setdefault((path.name, path.stat().st_size), []).append(path)
    return {key: paths[0] for key, paths in found.items() if key in wanted and len(paths) == 1}


def _of_csv(path: StrPath, reading: Reading) -> list[Image]:
    images: dict[tuple[str, float], list[Region]] = {}
    for line, row in table(path, COLUMNS, reading):
        where = f"{path}: line {line}"
        with reading.tolerating():
            name = image_name(row["filename"].strip(), "filename", where)
            some = images.setdefault((name, _bytes(row, "file_size")), [])
            shape, about = (_object(row, key, where) for key in COLUMNS[2:])
            if shape:  # else the line of an image without regions
                some.append(Region(shape, about, where))
    return [Image(name, size, regions) for (name, size), regions in images.items()]


def _object(row: dict[str, str], key: str, where: str) -> dict[str, Any]:
    try:
        return mapping(json.loads(row[key] or "{}"), f"{where}: {key}")
    except (ValueError, RecursionError):
        raise NanodetError(f"{where}: {key} {brief(row[key])} is not valid JSON") from None


def _class_key(
    regions: Sequence[Region], options: dict[str, list[str]], file: StrPath
) -> str | None:
    """Return the attribute that is the class; None if no region has any."""
    used = Counter(
        key for region in regions for key, value in region.attributes.items() if _names(value)
    )
    for candidates in (
        list(used),
        [key for key in used if key in options],
        *([key for key in used if key.strip().lower() == usual] for usual in USUAL),
    ):
        if len(candidates) == 1:
            return candidates[0]
    if not used:
        return None
    shown = first_few([brief_text(key) for key in used])
    raise NanodetError(
        f"{file}: which region attribute is the class is unclear ({shown}); call it 'class' in VIA"
    )


def _names(value: object) -> list[str]:
    """Return the chosen values of an attribute: one text, or those of a checkbox."""
    if isinstance(value, dict):
        return _stripped(key for key, chosen in value.items() if chosen in (True, "true"))
    return _stripped([value]) if isinstance(value, str) else []


def _stripped(names: Iterable[str]) -> list[str]:
    """Return names without blanks at their ends, each once, as its first spelling."""
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))


def _objects(region: Region, key: str | None) -> list[LabelledObject]:
    if region.shape.get("name") in WITHOUT_AREA:
        return []
    names = [ONLY] if key is None else _names(region.attributes.get(key))
    if not names:
        raise NanodetError(f"{region.where}: has no {brief(key)}, its class")
    box = _box(region.shape, region.where)
    return [LabelledObject(name, box, f"{region.where} ({brief_text(name)})") for name in names]


def _box(shape: dict[str, Any], where: str) -> Box:
    def value(key: str) -> float:
        return number(shape, key, where)

    kind = shape.get("name")
    if kind == "rect":
        x, y = value("x"), value("y")
        return x, y, x + value("width"), y + value("height")
    if kind == "circle":
        return box_of_ellipse(value("cx"), value("cy"), value("r"), value("r"))
    if kind == "ellipse":
        turn = math.degrees(number(shape, "theta", where, 0))
        return box_of_ellipse(value("cx"), value("cy"), value("rx"), value("ry"), turn)
    if kind == "polygon":
        xs, ys = (entries_in(shape, f"all_points_{axis}", where) for axis in "xy")
        if not xs or len(xs) != len(ys):
            raise NanodetError(
                f"{where}: all_points_x and all_points_y have {len(xs)} and {len(ys)} values"
            )
        points = [
            (
                number({"all_points_x": x}, "all_points_x", where),
                number({"all_points_y": y}, "all_points_y", where),
            )
            for x, y in zip(xs, ys, strict=True)
        ]
        return box_of_points(points)
    raise NanodetError(f"{where}: shape {brief(kind)} is not known")


def _recognises(head: Head) -> bool:
    if head.path.suffix.lower() == ".csv":
        return has_columns(head, COLUMNS)
    if head.outline is None or head.outline.top != "{":
        return False
    keys = head.outline.keys
    return any(key.startswith("_via_") for key in keys[0]) or {"filename", "regions"} <= keys[1]


FORMAT = Format(read_via, ("via",), (".json", ".csv"), _recognises, folder=False)
