"""Reader of Pascal VOC's XML, one file per image."""

import math
from pathlib import Path
from xml.etree import ElementTree

from nanodet.data.assemble import whole_number
from nanodet.data.formats.entries import Entry, LabelledObject
from nanodet.data.formats.files import annotations_of_files, chosen_files
from nanodet.data.formats.format import Format, Request
from nanodet.data.formats.values import number
from nanodet.data.formats.xml_file import parse_xml
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import ANNOTATION
from nanodet.text.brief import brief, brief_text

SIDES = ("xmin", "ymin", "xmax", "ymax")
FLAGS = {"": False, "false": False, "unspecified": False, "true": True}


def read_voc(request: Request) -> Annotations:
    """Read a folder of Pascal VOC XML files.

    VOC counts pixels from 1; coordinates are used unchanged, as in the original NanoDet and as most
    tools that write such files mean them. ``difficult`` objects become ignored regions.

    The image of an XML file is the one that its ``filename`` names or, if that does not exist, the one with
    the XML file's stem: in the same subfolder as the XML file in ``ann_path``, or directly in ``img_path``;
    finally, one with its ``filename`` in any subfolder.
    """
    notes: list[str] = []
    entries = []
    for file in chosen_files(request, ".xml", notes):
        with request.reading.tolerating():
            entries.append(_entry(file, request.reading))
    return annotations_of_files(entries, request, notes, "<filename>")


def _entry(file: Path, reading: Reading) -> Entry:
    root = parse_xml(file, ANNOTATION)
    if root.tag != "annotation":
        raise NanodetError(f"{file}: not a Pascal VOC annotation: its root is <{root.tag}>")
    filename = (root.findtext("filename") or "").strip().replace("\\", "/")
    size = _side(root, "width", file), _side(root, "height", file)
    objects = []
    for n, node in enumerate(root.iter("object"), 1):
        with reading.tolerating():
            objects.append(_object(node, f"{file}: object {n}"))
    return Entry(filename, size, objects, file=file)


def _side(root: ElementTree.Element, side: str, file: StrPath) -> int:
    """Return the image's width or height, 0 if it is missing or not a number."""
    value = _number(root.find(f"size/{side}")) or 0
    if whole_number(value) is None:
        raise NanodetError(f"{file}: {side} {value:g} is not a number of pixels")
    return int(value)


def _object(node: ElementTree.Element, where: str) -> LabelledObject:
    name = (node.findtext("name") or "").strip()
    if not name:
        raise NanodetError(f"{where} has no <name>")
    place = f"{where} ({brief_text(name)})"
    sides = {side: node.findtext(f"bndbox/{side}") for side in SIDES}
    missing = [side for side, text in sides.items() if text is None]
    if missing:
        raise NanodetError(f"{place} has no <{missing[0]}> in its <bndbox>")
    x1, y1, x2, y2 = (number(sides, side, place) for side in SIDES)
    text = (node.findtext("difficult") or "").strip()
    difficult = FLAGS.get(text.lower(), _number(node.find("difficult")))
    if difficult not in (0, 1):
        raise NanodetError(f"{place}: difficult {brief(text)} is not 0 or 1")
    return LabelledObject(name, (x1, y1, x2, y2), where, bool(difficult))


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
