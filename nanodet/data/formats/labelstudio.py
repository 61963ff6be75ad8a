"""Reader of Label Studio's exports "JSON" and "JSON-MIN": a list of tasks, boxes in percent.

The keys are those of `label_studio_converter/converter.py` and `utils.py` in the repository
HumanSignal/label-studio-converter, and of Label Studio's page on the format of tasks.
"""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from nanodet.data.assemble import is_file_name, read_json
from nanodet.data.formats.entries import Entry, LabelledObject, annotations_of, left_out
from nanodet.data.formats.format import Format, Request
from nanodet.data.formats.head import Head
from nanodet.data.formats.outlines import Box, box_of_ellipse, box_of_points, box_of_turned
from nanodet.data.formats.values import class_name, entries_in, mapping, number, points_of, side
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.folders import files_below
from nanodet.files.inputs import ANNOTATIONS
from nanodet.images.image_file import SUFFIXES, is_picture_name
from nanodet.text.brief import brief, brief_text
from nanodet.text.names import first_few

UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # put in front of the name of an uploaded file
UNTOLD = re.compile(r"[^-\w.]")  # what the name of an uploaded file loses
MIN_KEYS = {"annotation_id", "annotator", "lead_time"}  # of an entry of JSON-MIN
USUAL = ("image", "img", "picture", "photo", "url")  # names of the key of the image


class Answer(NamedTuple):
    """One annotation of a task: its regions, and what decides between several.

    ``results`` are (region, its name in messages); ``order`` is larger for the one to take.
    """

    results: list[tuple[dict[str, Any], str]]
    order: tuple[bool, str, float]


class Task(NamedTuple):
    """One task: its name in messages, the texts that may be its image, and its annotations."""

    where: str
    data: dict[str, str]
    answers: list[Answer]
    upload: str


def read_labelstudio(request: Request) -> Annotations:
    """Read a JSON or JSON-MIN export of Label Studio.

    Rectangles and ellipses, also turned ones, and polygons count with their bounding boxes. Brush strokes
    and key points are left out, with a note, and so are tasks that nobody has annotated or that were
    cancelled; predictions and drafts are not read. Of several annotations of a task, the one marked as
    ground truth counts, otherwise the last. Uploaded images are found with and without the eight letters
    that Label Studio puts in front of their name.
    """
    ann_path, reading = request.ann_path, request.reading
    content = read_json(ann_path, ANNOTATIONS)
    if not isinstance(content, list) or not content:
        raise NanodetError(f"{ann_path}: not a Label Studio export: [{{...}}, ...] is expected")
    entries = [mapping(one, f"{ann_path}: [{n}]:") for n, one in enumerate(content)]
    if any("data" in one for one in entries):
        tasks = []
        for n, one in enumerate(entries):
            with reading.tolerating():
                tasks.append(_task(one, f"{ann_path}: [{n}]"))
    else:
        tasks = _tasks_of_min(entries, ann_path)
    key = _image_key(tasks, ann_path)
    notes: list[str] = []
    done = [task for task in tasks if task.answers]
    if len(done) < len(tasks):
        lost = len(tasks) - len(done)
        notes.append(f"{ann_path}: {lost} of {len(tasks)} tasks have no annotation: left out")
    if not done:
        raise NanodetError(f"{ann_path}: none of its {len(tasks)} tasks has an annotation")
    several = sum(len(task.answers) > 1 for task in done)
    if several:
        notes.append(
            f"{ann_path}: {several} of {len(done)} tasks have several annotations: the one marked as ground "
            "truth counts, otherwise the last"
        )
    without: Counter[str] = Counter()
    found = []
    for task in done:
        with reading.tolerating():
            found.append(_entry(task, key, reading, without))
    notes += left_out("regions without a box or a label", without, ann_path)
    return annotations_of(_uploads(found, request.img_path), request, notes)


def _task(task: dict[str, Any], where: str) -> Task:
    """Return a task of the full form."""
    if "id" in task:
        where = f"{where} (id {brief_text(task['id'])})"
    data = mapping(task.get("data"), f"{where}: data")
    key = "completions" if "completions" in task and "annotations" not in task else "annotations"
    answers = []
    for n, value in enumerate(entries_in(task, key, where)):
        place = f"{where}: {key}[{n}]"
        answer = mapping(value, f"{place}:")
        if answer.get("was_cancelled") or answer.get("skipped"):
            continue
        regions = []
        for m, one in enumerate(entries_in(answer, "result", place)):
            spot = f"{place}.result[{m}]"
            region = mapping(one, f"{spot}:")
            if region.get("value") is not None:  # relations between regions have none
                value = mapping(region["value"], f"{spot}: value")
                sides = {s: region.get(s) for s in ("original_width", "original_height")}
                regions.append(({**value, **sides}, spot))
        truth = answer.get("ground_truth") is True
        answers.append(Answer(regions, (truth, _time(answer), n)))
    upload = task.get("file_upload")
    return Task(where, _texts(data), answers, upload if isinstance(upload, str) else "")


def _tasks_of_min(entries: Sequence[dict[str, Any]], file: StrPath) -> list[Task]:
    """Return the tasks of the short form, which has one entry for each annotation."""
    tasks: dict[object, Task] = {}
    for n, entry in enumerate(entries):
        where = f"{file}: [{n}]"
        regions = [
            (one, f"{where}: {key}[{m}]")
            for key, value in entry.items()
            if isinstance(value, list)
            for m, one in enumerate(value)
            if isinstance(one, dict) and (_label_keys(one) or "original_width" in one)
        ]
        identity = entry.get("id")
        name: object = n if isinstance(identity, (list, dict, type(None))) else ("id", identity)
        task = tasks.setdefault(name, Task(where, _texts(entry), [], ""))
        task.answers.append(Answer(regions, (False, _time(entry), n)))
    return list(tasks.values())


def _time(answer: dict[str, Any]) -> str:
    return str(answer.get("updated_at") or answer.get("created_at") or "")[:40]


def _texts(data: dict[str, Any]) -> dict[str, str]:
    return {key: value for key, value in data.items() if isinstance(value, str)}


def _image_key(tasks: Sequence[Task], file: StrPath) -> str:
    """Return the key of the data of tasks that has the image: the user of Label Studio names it."""
    keys = Counter(key for task in tasks for key in task.data)
    likely = [
        key
        for key in keys
        if any(
            Path(_name(task.data[key])).suffix.lower() in SUFFIXES
            for task in tasks
            if key in task.data
        )
    ]
    for key in USUAL:
        if key in (likely or keys):
            return key
    if len(likely) == 1:
        return likely[0]
    what = f"several keys with an image: {first_few([brief_text(k) for k in likely])}"
    raise NanodetError(
        f"{file}: its tasks have {what if likely else 'no key with the name of an image'}; call it 'image'"
    )


def _name(value: str) -> str:
    """Return the path of an image from a path, a URL, or a link of Label Studio's storage."""
    try:
        parts = urlsplit(value)
        query = parse_qs(parts.query) if len(parts.query) < 4096 else {}
    except ValueError:
        return value
    if "fileuri" in query:  # /tasks/1/resolve/?fileuri=..., a URL in base64
        try:
            return _name(base64.b64decode(query["fileuri"][0] + "==").decode())
        except (binascii.Error, UnicodeDecodeError):
            return value
    if "d" in query and parts.path.rstrip("/").endswith("local-files"):
        return query["d"][0]
    if parts.scheme or value.startswith("/data/"):
        return unquote(parts.path) if len(parts.scheme) != 1 else value  # C:\... has one letter
    return value


def _entry(task: Task, key: str, reading: Reading, without: Counter[str]) -> Entry:
    where = task.where
    value = task.data.get(key, "")
    name = "" if value.startswith("data:") else _name(value).strip("/ ")
    if not name or not is_file_name(name):
        raise NanodetError(f"{where}: {key} {brief(value)} is not the name of an image")
    others = [task.upload, UPLOADED.sub("", name.rsplit("/", 1)[-1], count=1)]
    answer = max(task.answers, key=lambda one: one.order)
    objects: list[LabelledObject] = []
    sizes = set()
    for region, place in answer.results:
        with reading.tolerating():
            size = side(region, "original_width", place), side(region, "original_height", place)
            own = _objects(region, size, place)
            if own:
                sizes.add(size)
                objects += own
            else:
                without[_called(region)] += 1
    size = sizes.pop() if len(sizes) == 1 else (0, 0)
    return Entry(name, size, objects, tuple(one for one in others if one), parts=True)


def _objects(region: dict[str, Any], size: tuple[int, int], where: str) -> list[LabelledObject]:
    """Return an object for each label of a region; none for what has no box."""
    kind, objects = _kind(region), []
    for label in [label for key in _label_keys(region) for label in region[key]] if kind else ():
        name = class_name({"label": label}, "label", where)
        place = f"{where} ({brief_text(label)})"
        objects.append(LabelledObject(name, _box(region, kind, size, place), place))
    return objects


def _label_keys(region: dict[str, Any]) -> list[str]:
    return [
        key for key, value in region.items() if key.endswith("labels") and isinstance(value, list)
    ]


def _called(region: dict[str, Any]) -> str:
    """Return what kind of region it is, for a note."""
    keys = [key for key in region if key.endswith("labels")]
    if keys:
        return keys[0].removesuffix("labels") or "labels"
    known = [key for key in ("choices", "text", "rating", "rle", "points") if key in region]
    return known[0] if known else "other"


def _kind(region: dict[str, Any]) -> str | None:
    """Return ``polygon``, ``ellipse`` or ``rectangle``; None for what has no box."""
    if "points" in region:
        return "polygon"
    if "radiusX" in region:
        return "ellipse"
    return "rectangle" if "height" in region and "x" in region and "rle" not in region else None


def _box(region: dict[str, Any], kind: str | None, size: tuple[int, int], where: str) -> Box:
    """Return the bounding box of a region in parts of the image."""
    if kind == "polygon":
        x1, y1, x2, y2 = box_of_points(points_of(region["points"], "points", where))
        return x1 / 100, y1 / 100, x2 / 100, y2 / 100
    turn = number(region, "rotation", where, 0)
    width, height = size
    if turn % 360 and not (width and height):
        raise NanodetError(f"{where}: has a rotation, but no original_width and original_height")
    width, height = width or 1, height or 1
    across, down = width / 100, height / 100
    x, y = number(region, "x", where) * across, number(region, "y", where) * down
    if kind == "ellipse":
        rx, ry = number(region, "radiusX", where), number(region, "radiusY", where)
        box = box_of_ellipse(x, y, rx * across, ry * down, turn)
    else:
        w, h = number(region, "width", where), number(region, "height", where)
        box = box_of_turned((x, y, x + w * across, y + h * down), turn, (x, y))
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def _uploads(entries: Sequence[Entry], img_path: StrPath) -> list[Entry]:
    """Add, for uploaded images, files whose names became the uploaded ones: a blank became ``_``."""
    renamed: dict[str, list[str]] = {}
    for path in filter(is_picture_name, files_below(img_path) if Path(img_path).is_dir() else ()):
        plain = UNTOLD.sub("", path.name.strip().replace(" ", "_"))
        if plain != path.name:
            renamed.setdefault(plain, []).append(str(path.relative_to(img_path)))
    return [
        entry._replace(others=(*entry.others, *renamed.get(entry.others[-1], ())))
        if entry.others
        else entry
        for entry in entries
    ]


def _recognises(head: Head) -> bool:
    if head.outline is None or head.outline.top != "[":
        return False
    keys, inner, _ = head.outline.keys  # a long mask may hide the keys of the task that follow
    if "data" in keys or inner & {"result", "completed_by"}:
        return bool({"annotations", "completions", "predictions", "id"} & keys)
    return len(MIN_KEYS & keys) >= 2 or "original_width" in inner


FORMAT = Format(
    read_labelstudio, ("labelstudio", "label-studio"), (".json",), _recognises, folder=False
)
