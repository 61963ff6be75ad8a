"""Reader of CreateML's JSON: one list of images, as Apple's tool and Roboflow write it."""

from typing import Any

from nanodet.data.assemble import read_json
from nanodet.data.formats.entries import Entry, LabelledObject, annotations_of
from nanodet.data.formats.format import Format, Request
from nanodet.data.formats.head import Head
from nanodet.data.formats.values import class_name, entries_in, image_name, mapping, number
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files.inputs import ANNOTATIONS

IMAGE, OBJECTS = ("image", "imagefilename"), ("annotations", "annotation")  # new and older names


def read_createml(request: Request) -> Annotations:
    """Read a CreateML JSON file: ``[{"image": ..., "annotations": [{"label": ..., "coordinates":
    {"x": ..., "y": ..., "width": ..., "height": ...}}]}]``, where x and y are the centre in pixels.
    """
    ann_path, reading = request.ann_path, request.reading
    content = read_json(ann_path, ANNOTATIONS)
    if not isinstance(content, list) or not content:
        raise NanodetError(
            f"{ann_path}: not a CreateML annotation file: [{{...}}, ...] is expected"
        )
    entries = []
    for n, one in enumerate(content):
        with reading.tolerating():
            entries.append(_entry(one, f"{ann_path}: [{n}]", reading))
    return annotations_of(entries, request)


def _entry(value: Any, where: str, reading: Reading) -> Entry:
    content = mapping(value, f"{where}:")
    name = image_name(next((content[k] for k in IMAGE if k in content), None), IMAGE[0], where)
    key = next((key for key in OBJECTS if key in content), OBJECTS[0])
    objects = []
    for n, one in enumerate(entries_in(content, key, where)):
        place = f"{where}: {key}[{n}]"
        with reading.tolerating():
            objects.append(_object(one, place))
    return Entry(name, (0, 0), objects)


def _object(value: Any, where: str) -> LabelledObject:
    found = mapping(value, f"{where}:")
    label = class_name(found, "label", where)
    box = mapping(found.get("coordinates"), f"{where}: coordinates")
    x, y, w, h = (number(box, side, where) for side in ("x", "y", "width", "height"))
    return LabelledObject(label, (x - w / 2, y - h / 2, x + w / 2, y + h / 2), where)


def _recognises(head: Head) -> bool:
    if head.outline is None or head.outline.top != "[":
        return False
    keys, inner, _ = head.outline.keys
    return bool(set(IMAGE) & keys and set(OBJECTS) & keys) and inner <= {"label", "coordinates"}


FORMAT = Format(read_createml, ("createml",), (".json",), _recognises, folder=False)
