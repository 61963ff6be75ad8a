"""Reader of CVAT's own XML, "CVAT for images 1.1": one file for all images.

The elements are those of `cvat/apps/dataset_manager/formats/cvat.py` in CVAT's repository, and of its page
on the XML annotation format.
"""

import os
from collections import Counter
from pathlib import Path
from xml.etree.ElementTree import Element

from nanodet.data.assemble import is_file_name
from nanodet.data.formats.entries import Entry, LabelledObject, annotations_of, left_out
from nanodet.data.formats.format import Format, Request
from nanodet.data.formats.head import Head
from nanodet.data.formats.outlines import Box, box_of_ellipse, box_of_points, box_of_turned
from nanodet.data.formats.values import number, side
from nanodet.data.formats.xml_file import parse_xml
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files.inputs import ANNOTATIONS
from nanodet.text.brief import brief, brief_text

WITHOUT_AREA = ("polyline", "points", "skeleton")
NO_BOXES = {"tag", *WITHOUT_AREA}  # types of labels
IGNORED = {"difficult", "ignore", "iscrowd", "is_crowd"}  # attributes of imported VOC and COCO sets
CUBOID = [
    (f"x{end}", f"y{end}") for end in ("tl1", "bl1", "tr1", "br1", "tl2", "bl2", "tr2", "br2")
]


def read_cvat(request: Request) -> Annotations:
    """Read an ``annotations.xml`` of a task or a project.

    Boxes and ellipses, also turned ones, polygons, masks and cuboids count with their bounding boxes; what
    has no area is left out, with a note, and so is a shape that is ``outside``. Shapes with an attribute
    ``difficult``, ``ignore`` or ``is_crowd`` that is true are ignored regions. Images of a project may lie in
    a folder of their subset.
    """
    ann_path = request.ann_path
    root = parse_xml(ann_path, ANNOTATIONS)
    if root.tag != "annotations":
        raise NanodetError(
            f"{ann_path}: not a CVAT annotation file: its root is <{brief_text(root.tag)}>"
        )
    images = root.findall("image")
    if not images and root.find("track") is not None:
        raise NanodetError(
            f"{ann_path}: has the tracks of a video; export the task as 'CVAT for images 1.1', which has the "
            "boxes of each frame"
        )
    if not images:
        raise NanodetError(f"{ann_path}: has no <image>")
    without: Counter[str] = Counter()
    entries = []
    for image in images:
        with request.reading.tolerating():
            entries.append(_entry(image, request, without))
    notes = left_out("shapes without a box", without, ann_path)
    return annotations_of(entries, request, notes, _labels(root))


def _labels(root: Element) -> list[str]:
    """Return the names of the labels of boxes, in their order; parts of skeletons are none."""
    names = []
    for label in root.iterfind("meta/*/labels/label"):
        name = (label.findtext("name") or "").strip()
        if name and label.find("parent") is None and label.findtext("type") not in NO_BOXES:
            names.append(name)
    return names


def _entry(image: Element, request: Request, without: Counter[str]) -> Entry:
    name = image.get("name", "").strip()
    where = f"{request.ann_path}: image {brief_text(name or image.get('id'))}"
    if not name or not is_file_name(name):
        raise NanodetError(f"{where} has no 'name'")
    size = side(image.attrib, "width", where), side(image.attrib, "height", where)
    objects = []
    for n, shape in enumerate((shape for shape in image if shape.tag != "tag"), 1):
        if shape.tag in WITHOUT_AREA:
            without[shape.tag] += 1
            continue
        label = shape.get("label", "").strip()
        place = f"{where}: {brief_text(shape.tag)} {n}"
        with request.reading.tolerating():
            if not label:
                raise NanodetError(f"{place} has no 'label'")
            place += f" ({brief_text(label)})"
            if shape.get("outside") != "1":
                objects.append(LabelledObject(label, _box(shape, place), place, _is_ignored(shape)))
    subset = image.get("subset")
    own = Path(request.img_path, subset, name) if subset and is_file_name(subset) else None
    return Entry(name, size, objects, path=own if own and os.path.isfile(own) else None)


def _is_ignored(shape: Element) -> bool:
    return any(
        one.get("name", "").lower() in IGNORED and (one.text or "").strip().lower() in ("true", "1")
        for one in shape.iterfind("attribute")
    )


def _box(shape: Element, where: str) -> Box:
    """Return the bounding box of a shape."""

    def value(key: str, default: float | None = None) -> float:
        return number(shape.attrib, key, where, default)

    if shape.tag == "box":
        x1, y1, x2, y2 = box = value("xtl"), value("ytl"), value("xbr"), value("ybr")
        return box_of_turned(box, value("rotation", 0), ((x1 + x2) / 2, (y1 + y2) / 2))
    if shape.tag == "ellipse":
        return box_of_ellipse(
            value("cx"), value("cy"), value("rx"), value("ry"), value("rotation", 0)
        )
    if shape.tag == "mask":
        left, top = value("left"), value("top")
        return left, top, left + value("width"), top + value("height")
    if shape.tag == "cuboid":
        return box_of_points((value(x), value(y)) for x, y in CUBOID)
    if shape.tag == "polygon":
        text = shape.get("points", "")
        try:
            points = [tuple(map(float, point.split(","))) for point in text.split(";")]
            return box_of_points(
                (number({"x": x}, "x", ""), number({"y": y}, "y", "")) for x, y in points
            )
        except (ValueError, NanodetError):
            raise NanodetError(f"{where}: points {brief(text)} are not x,y;x,y;...") from None
    raise NanodetError(f"{where}: is of no known kind of shape")


def _recognises(head: Head) -> bool:
    return head.root == "annotations" and any(
        f"<{tag}" in head.text for tag in ("image", "track", "meta", "version")
    )


FORMAT = Format(read_cvat, ("cvat",), (".xml",), _recognises, folder=False)
