"""Reader of COCO's JSON."""

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nanodet.data.assemble import (
    check_folder,
    checked_names,
    clip_boxes,
    complaint,
    count_changed,
    is_file_name,
    is_finite,
    read_json,
    select,
    whole_number,
)
from nanodet.data.classes import match_classes
from nanodet.data.formats.format import Format, Request
from nanodet.data.formats.head import Head
from nanodet.data.formats.outlines import box_of_turned
from nanodet.data.formats.segmentation import box_of_segmentation
from nanodet.data.formats.units import XYWH, check_pixels
from nanodet.data.images import look_at_images
from nanodet.data.locate import keep_found
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations, Picture
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import ANNOTATIONS
from nanodet.text.brief import brief, brief_text

NUMBERS = {int, float}  # excludes bool
FLAGS = {None: False, 0: False, 1: True, "0": False, "1": True}
LISTS = {"images", "annotations", "categories"}
ENTRIES = {"id", "file_name", "image_id", "category_id", "bbox", "segmentation", "supercategory"}
LARGEST_AREA = 1e30  # square pixels, far below the limit of float32


def read_coco(request: Request, annotated: bool = True) -> Annotations:
    """Read a COCO annotation file.

    Without a ``bbox``, a box is that of the ``segmentation``, see `nanodet.data.formats.segmentation`.
    Categories become labels by their names (see `match_classes`), or in the order of their ids if no
    class names are given. ``iscrowd: 1`` and ``ignore: 1`` make an ignored region.

    Args:
        request: without class names, categories that only group others are left out.
        annotated: whether the file must have annotations; COCO's own test files (image_info_...)
            have none, and then no image has boxes.
    """
    img_path, ann_path, list_path, class_names, reading = request
    content = read_json(ann_path, ANNOTATIONS)
    check_folder(img_path, "images")
    if not isinstance(content, dict):
        raise NanodetError(f"{ann_path}: not a COCO annotation file: {{...}} is expected")
    if not annotated:
        content.setdefault("annotations", [])
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise NanodetError(f"{ann_path}: no list {key!r}, which a COCO annotation file has")
    ids = _categories(content["categories"], ann_path)
    images = _images(content["images"], ann_path)
    position = {image["id"]: n for n, image in enumerate(images)}
    category_of = {category_id: n for n, category_id in enumerate(ids)}
    table, names = _table(content["annotations"], position, category_of, ann_path, reading)
    notes: list[str] = []
    chosen = list(range(len(images)))
    if list_path is not None:
        chosen = select([image["file_name"] for image in images], list_path, reading, notes)
    files = [images[n]["file_name"] for n in chosen]
    kept = keep_found(img_path, files, ann_path, reading, notes)
    paths = {chosen[n]: path for n, path in kept.items()}
    used = np.isin(table[:, 0], list(paths))
    objects = np.bincount(table[used, 1].astype(np.int64), minlength=len(ids))
    classes = match_classes(
        checked_names([entry["name"] for entry in ids.values()], ann_path, unique=False),
        objects, class_names, ann_path, reading, groups=_groups(ids.values()),
    )  # fmt: skip
    table[:, 1] = classes.labels[table[:, 1].astype(np.int64)]
    table = table[used & (table[:, 1] >= 0)]
    own = dict(zip(classes.labels.tolist(), ids, strict=True))
    found = Annotations(
        classes.names, tuple(own.get(n) for n in range(len(classes.names))), [],
        notes=[*notes, *classes.notes], skipped=classes.skipped,
    )  # fmt: skip
    _fill(found, images, paths, table, names, ann_path, reading)
    return found


def _id(entry: Any, where: str) -> int:
    """Return the id of an entry; ``where`` names it in messages."""
    if not isinstance(entry, dict) or "id" not in entry:
        raise NanodetError(f"{where} has no 'id'")
    if type(entry["id"]) is not int:
        raise NanodetError(f"{where}: id {brief(entry['id'])} is not a whole number")
    return entry["id"]


def _categories(entries: Sequence[Any], ann_path: StrPath) -> dict[int, dict[str, Any]]:
    """Check the categories' entries and return them by id, in the order of ids."""
    categories = {}
    for n, entry in enumerate(entries):
        category_id = _id(entry, f"{ann_path}: categories[{n}]")
        if category_id in categories:
            raise NanodetError(f"{ann_path}: category id {category_id} occurs twice")
        name = entry.get("name")
        unnamed = name is None or (isinstance(name, str) and not name.strip())
        categories[category_id] = {**entry, "name": category_id if unnamed else name}
    if not categories:
        raise NanodetError(f"{ann_path}: has no categories")
    return dict(sorted(categories.items()))


def _groups(categories: Iterable[Mapping[str, Any]]) -> list[int]:
    """Return the positions of categories that others name as their ``supercategory``."""
    categories = list(categories)
    parents = [entry.get("supercategory") for entry in categories]
    named = Counter(str(parent) for parent in parents if parent is not None)
    groups = []
    for n, (entry, parent) in enumerate(zip(categories, parents, strict=True)):
        name = str(entry["name"])
        if name != "none" and named[name] > (str(parent) == name):  # not by itself
            groups.append(n)
    return groups


def _images(entries: Sequence[Any], ann_path: StrPath) -> list[dict[str, Any]]:
    """Check the entries of images and return them with integer sizes, 0 for unknown."""
    images, seen = [], set()
    for n, entry in enumerate(entries):
        image_id = _id(entry, f"{ann_path}: images[{n}]")
        if image_id in seen:
            raise NanodetError(f"{ann_path}: image id {image_id} occurs twice")
        seen.add(image_id)
        if not isinstance(entry.get("file_name"), str) or not entry["file_name"]:
            raise NanodetError(f"{ann_path}: image {image_id} has no 'file_name'")
        if not is_file_name(entry["file_name"]):
            name = entry["file_name"]
            raise NanodetError(
                f"{ann_path}: image {image_id}: {brief(name)} is not a valid file name"
            )
        image = {"id": image_id, "file_name": entry["file_name"]}
        for side in ("width", "height"):
            value = 0 if entry.get(side) is None else entry[side]
            image[side] = whole_number(value)
            if image[side] is None:
                raise NanodetError(
                    f"{ann_path}: image {image_id}: {side} {brief(value)} is not a number of pixels"
                )
        images.append(image)
    return images


def _table(
    entries: Sequence[Any],
    position: Mapping[int, int],
    category_of: Mapping[int, int],
    ann_path: StrPath,
    reading: Reading,
) -> tuple[np.ndarray, list[object]]:
    """Return the annotations as numbers, and the name of each for messages.

    The numbers are float64 (N, 10): image, category, x, y, w, h, area (NaN: none given), crowd,
    ignore, number in the file.
    """
    rows = []
    for n, entry in enumerate(entries):
        try:
            box = entry.get("bbox")
            if not box or not any(box):
                box = box_of_segmentation(entry.get("segmentation")) or entry["bbox"]
            x, y, w, h = box
            image_id, category_id = entry["image_id"], entry["category_id"]
            area = entry.get("area")
            area = math.nan if area is None else area
            kinds = {type(v) for v in (image_id, category_id, x, y, w, h, area)}
            if not kinds <= NUMBERS:
                raise TypeError
            row = (
                position[image_id],
                category_of[category_id],
                x + 0.0,
                y + 0.0,
                w + 0.0,
                h + 0.0,
                area + 0.0,
                FLAGS[entry.get("iscrowd")],
                FLAGS[entry.get("ignore")],
                n,
            )
            if entry.get("attributes"):
                row = _turned(row, entry["attributes"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            reading.refuse(_explained(entry, n, position, category_of, ann_path), "entry")
            continue
        rows.append(row)
    table = np.array(rows, np.float64).reshape(-1, 10)
    finite = np.isfinite(table[:, 2:6]).all(axis=1)
    for n in table[~finite, 9].astype(int).tolist():
        reading.refuse(_explained(entries[n], n, position, category_of, ann_path), "entry")
    table = table[finite]
    # names for messages; ids may be strings or missing, so they are not in the table
    return table, [
        entry.get("id", f"number {n}") if isinstance(entry, dict) else f"number {n}"
        for n, entry in enumerate(entries)
    ]


def _turned(row: tuple[Any, ...], attributes: Any) -> tuple[Any, ...]:
    """Return a row of the table with the box around one that CVAT says is turned around its centre."""
    turn = attributes.get("rotation") if isinstance(attributes, dict) else None
    if not turn or not is_finite(turn) or not all(map(math.isfinite, row[2:6])):
        return row
    x, y, w, h = row[2:6]
    x1, y1, x2, y2 = box_of_turned((x, y, x + w, y + h), turn, (x + w / 2, y + h / 2))
    return (*row[:2], x1, y1, x2 - x1, y2 - y1, *row[6:])


def _explained(
    entry: Any,
    n: int,
    position: Mapping[int, int],
    category_of: Mapping[int, int],
    ann_path: StrPath,
) -> NanodetError:
    """Return the error for an invalid annotation."""
    if not isinstance(entry, dict):
        return NanodetError(f"{ann_path}: annotations[{n}] is not a mapping")
    name = f"{ann_path}: annotation {brief_text(entry.get('id', f'number {n}'))}"
    for key, known in (("image_id", position), ("category_id", category_of)):
        if key not in entry:
            return NanodetError(f"{name} has no {key!r}")
        value = entry[key]
        if type(value) not in NUMBERS or value not in known:
            return NanodetError(f"{name}: {key} {brief(value)} is not among those of the file")
    box, segmentation = entry.get("bbox"), entry.get("segmentation")
    if not box and segmentation:
        what = f"segmentation {brief(segmentation)} is no polygon, and no mask with an object"
        return NanodetError(f"{name} has no 'bbox', and its {what}")
    if "bbox" not in entry:
        return NanodetError(f"{name} has no 'bbox'")
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_finite, box)):
        return NanodetError(f"{name}: bbox {brief(box)} is not four numbers x, y, width, height")
    for key in ("iscrowd", "ignore"):
        value = entry.get(key)
        if isinstance(value, (list, dict)) or value not in FLAGS:
            return NanodetError(f"{name}: {key} {brief(value)} is not 0 or 1")
    return NanodetError(f"{name}: area {brief(entry.get('area'))} is not a number")


def _fill(
    found: Annotations,
    images: Sequence[dict[str, Any]],
    paths: Mapping[int, Path],
    table: np.ndarray,
    ids: Sequence[object],
    ann_path: StrPath,
    reading: Reading,
) -> None:
    """Cut the table into one `Picture` per image.

    Args:
        found: the `Annotations` that get the images, and lines about corrected and left-out boxes.
        images: from `_images`.
        paths: index into ``images`` to file, for the images to use, in order.
        table: from `_table`, of these images only.
        ids: name of each annotation of the file, for messages.
        ann_path: names the file in messages.
        reading: the `nanodet.data.reading.Reading`.
    """
    place = np.zeros(len(images), np.int64)
    place[list(paths)] = np.arange(len(paths))
    images, files = [images[n] for n in paths], list(paths.values())
    owner = place[table[:, 0].astype(np.int64)]
    rows = np.argsort(owner, kind="stable")
    table, owner = table[rows], owner[rows]
    with np.errstate(over="ignore"):
        raw = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1)
    reaches = np.full((len(images), 2), np.nan)
    np.fmax.at(reaches, owner, raw[:, 2:])
    said = [(image["width"], image["height"]) for image in images]
    sizes, turned = look_at_images(found, files, said, reaches, ann_path, reading)
    check_pixels(table[:, 2:6], sizes[owner], ann_path, XYWH, found.notes, reading)
    boxes, sound, outside = clip_boxes(raw, sizes[owner, 0], sizes[owner, 1])
    count_changed(found.counts, sound, outside)
    for n in np.flatnonzero(~sound | outside).tolist():
        what = complaint(raw[n], sound[n])
        found.problems.append(f"{ann_path}: annotation {brief_text(ids[int(table[n, 9])])}: {what}")
    known = (table[:, 6] >= 0) & (table[:, 6] < LARGEST_AREA)
    for n in np.flatnonzero(~known & ~np.isnan(table[:, 6])).tolist():
        annotation = f"annotation {brief_text(ids[int(table[n, 9])])}"
        found.problems.append(
            f"{ann_path}: {annotation}: area {table[n, 6]:g} is not positive: the area of the box is used"
        )
    areas = np.where(known, table[:, 6], (boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
    areas = areas.astype(np.float32)
    labels = table[:, 1].astype(np.int64)
    crowd, ignore = table[:, 7] > 0, table[:, 8] > 0
    taught, left_out = sound & ~crowd & ~ignore, sound & (crowd | ignore)

    def parts(mask: np.ndarray, *columns: np.ndarray) -> Callable[[int], list[np.ndarray]]:
        cuts = np.searchsorted(owner[mask], np.arange(len(images) + 1))
        chosen = [column[mask] for column in columns]
        return lambda n: [column[cuts[n] : cuts[n + 1]] for column in chosen]

    objects = parts(taught, boxes, labels, areas)
    regions = parts(left_out, boxes, labels, areas, crowd)
    for n, (path, (width, height)) in enumerate(zip(files, sizes.tolist(), strict=True)):
        taught_boxes, taught_labels, taught_areas = objects(n)
        ignored, ignored_labels, ignored_areas, ignored_crowd = regions(n)
        picture = Picture(
            path, images[n]["id"], width, height,
            boxes=taught_boxes, labels=taught_labels, areas=taught_areas,
            ignored=ignored, ignored_labels=ignored_labels,
            ignored_areas=ignored_areas, ignored_crowd=ignored_crowd, turned=turned[n],
            listed=images[n]["file_name"],
        )  # fmt: skip
        found.pictures.append(picture)


def _recognises(head: Head) -> bool:
    if head.outline is None or head.outline.top != "{":
        return False
    keys, inner, _ = head.outline.keys
    if head.whole and not {"images", "annotations"} & keys:
        return False  # such as notes.json of Label Studio, which has categories only
    return bool(LISTS & keys) and (keys >= LISTS or bool(ENTRIES & inner) or not inner)


FORMAT = Format(
    read_coco, ("coco",), (".json",), _recognises, folder=False, usual=True,
    read_unannotated=functools.partial(read_coco, annotated=False),
)  # fmt: skip
