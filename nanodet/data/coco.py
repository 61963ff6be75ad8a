"""Reader of COCO's JSON."""

import math
from pathlib import Path

import numpy as np

from nanodet.data.assemble import (
    check_folder,
    clip_boxes,
    complaint,
    known_size,
    read_json,
    select,
)
from nanodet.data.records import Annotations, Picture
from nanodet.errors import NanodetError


def read_coco(img_path, ann_path, list_path=None, class_names=None):
    """Read a COCO annotation file.

    Categories become labels in the order of their ids; names never take part in that.
    ``iscrowd: 1`` and ``ignore: 1`` make an ignored region.

    Args:
        img_path: folder that ``file_name`` is relative to.
        ann_path: the JSON file.
        list_path: a text file that names the pictures to use (see `select`); None for all.
        class_names: names to use instead of the categories'; as many as there are categories.

    Returns:
        `Annotations`; boxes clipped to their picture, those without area left out.

    Raises:
        NanodetError: the file is not what it should be; names the file and the entry.
    """
    content = read_json(ann_path, "this annotation file")
    check_folder(img_path, "pictures")
    if not isinstance(content, dict):
        raise NanodetError(f"{ann_path}: not a COCO annotation file: {{...}} is expected")
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise NanodetError(f"{ann_path}: no list {key!r}, which a COCO annotation file has")
    names_of = _categories(content["categories"], ann_path)
    category_ids = tuple(sorted(names_of))
    if class_names is None:
        class_names = [names_of[i] for i in category_ids]
    elif len(class_names) != len(category_ids):
        raise NanodetError(
            f"{ann_path}: has {len(category_ids)} categories, "
            f"but class_names has {len(class_names)} names"
        )
    images = _images(content["images"], ann_path)
    position = {image["id"]: n for n, image in enumerate(images)}
    label_of = {category_id: n for n, category_id in enumerate(category_ids)}
    table, ids = _table(content["annotations"], position, label_of, ann_path)
    chosen = range(len(images))
    if list_path is not None:
        chosen = select([image["file_name"] for image in images], list_path)
    problems = []
    pictures = _pictures(images, chosen, table, ids, Path(img_path), ann_path, problems)
    return Annotations(tuple(class_names), category_ids, pictures, problems)


def _categories(entries, ann_path):
    names = {}
    for n, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), int):
            raise NanodetError(f"{ann_path}: categories[{n}] has no whole number 'id'")
        if entry["id"] in names:
            raise NanodetError(f"{ann_path}: category id {entry['id']} occurs twice")
        names[entry["id"]] = str(entry.get("name", entry["id"]))
    if not names:
        raise NanodetError(f"{ann_path}: has no categories")
    return names


def _images(entries, ann_path):
    """Check the pictures' entries and return them with whole-number sizes, 0 for unknown."""
    images, seen = [], set()
    for n, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), int):
            raise NanodetError(f"{ann_path}: images[{n}] has no whole number 'id'")
        image_id = entry["id"]
        if image_id in seen:
            raise NanodetError(f"{ann_path}: image id {image_id} occurs twice")
        seen.add(image_id)
        if not isinstance(entry.get("file_name"), str) or not entry["file_name"]:
            raise NanodetError(f"{ann_path}: image {image_id} has no 'file_name'")
        image = {"id": image_id, "file_name": entry["file_name"]}
        for side in ("width", "height"):
            value = entry.get(side) or 0
            if not isinstance(value, (int, float)) or not math.isfinite(value):
                raise NanodetError(f"{ann_path}: image {image_id}: {side} is not a number")
            image[side] = int(value)
        images.append(image)
    return images


def _table(entries, position, label_of, ann_path):
    """Return the annotations as numbers, and what to call each.

    The numbers are float64 (N, 10): picture, label, x, y, w, h, area (NaN: none given), crowd,
    ignore, number in the file.
    """
    rows = []
    for n, entry in enumerate(entries):
        try:
            x, y, w, h = entry["bbox"]
            area = entry.get("area")
            row = (
                position[entry["image_id"]],
                label_of[entry["category_id"]],
                x + 0.0,
                y + 0.0,
                w + 0.0,
                h + 0.0,
                math.nan if area is None else area + 0.0,
                bool(entry.get("iscrowd")),
                bool(entry.get("ignore")),
                n,
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise _explained(entry, n, position, label_of, ann_path) from None
        rows.append(row)
    table = np.array(rows, np.float64).reshape(-1, 10)
    broken = np.flatnonzero(~np.isfinite(table[:, 2:6]).all(axis=1))
    if len(broken):
        raise _explained(entries[broken[0]], broken[0], position, label_of, ann_path)
    # what a message calls the annotation; ids may be text or absent, so they stay outside
    return table, [entry.get("id", f"number {n}") for n, entry in enumerate(entries)]


def _explained(entry, n, position, label_of, ann_path):
    """Return the error that says what is wrong with an annotation."""
    if not isinstance(entry, dict):
        return NanodetError(f"{ann_path}: annotations[{n}] is not a mapping")
    name = f"{ann_path}: annotation {entry.get('id', f'number {n}')}"
    for key, known in (("image_id", position), ("category_id", label_of)):
        if key not in entry:
            return NanodetError(f"{name} has no {key!r}")
        value = entry[key]
        if not isinstance(value, int) or value not in known:
            return NanodetError(f"{name}: {key} {value!r} is not among those of the file")
    if "bbox" not in entry:
        return NanodetError(f"{name} has no 'bbox'")
    box = entry["bbox"]
    numbers = isinstance(box, list) and all(
        isinstance(v, (int, float)) and math.isfinite(v) for v in box
    )
    if not numbers or len(box) != 4:
        return NanodetError(f"{name}: bbox {box!r} is not four numbers x, y, width, height")
    return NanodetError(f"{name}: area {entry.get('area')!r} is not a number")


def _pictures(images, chosen, table, ids, folder, ann_path, problems):
    """Cut the table into one `Picture` per chosen image."""
    owner = table[:, 0].astype(np.int64)
    wanted = np.zeros(len(images), bool)
    wanted[list(chosen)] = True
    for n in np.flatnonzero(wanted):
        image = images[n]
        path = folder / image["file_name"]
        image["width"], image["height"] = known_size(image["width"], image["height"], path)
    sizes = np.array([(image["width"], image["height"]) for image in images]).reshape(-1, 2)

    rows = np.flatnonzero(wanted[owner])
    rows = rows[np.argsort(owner[rows], kind="stable")]
    table, owner = table[rows], owner[rows]
    raw = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1)
    boxes, sound, outside = clip_boxes(raw, sizes[owner, 0], sizes[owner, 1])
    for n in np.flatnonzero(~sound | outside):
        what = complaint(raw[n], sound[n])
        problems.append(f"{ann_path}: annotation {ids[int(table[n, 9])]}: {what}")
    areas = np.where(np.isnan(table[:, 6]), (boxes[:, 2:] - boxes[:, :2]).prod(axis=1), table[:, 6])
    areas = areas.astype(np.float32)
    labels = table[:, 1].astype(np.int64)
    crowd, ignore = table[:, 7] > 0, table[:, 8] > 0
    taught, left_out = sound & ~crowd & ~ignore, sound & (crowd | ignore)

    def parts(mask, *columns):
        cuts = np.searchsorted(owner[mask], np.arange(len(images) + 1))
        columns = [column[mask] for column in columns]
        return lambda n: [column[cuts[n] : cuts[n + 1]] for column in columns]

    objects = parts(taught, boxes, labels, areas)
    regions = parts(left_out, boxes, labels, areas, crowd)
    pictures = []
    for n in chosen:
        image = images[n]
        path = folder / image["file_name"]
        size = image["width"], image["height"]
        pictures.append(Picture(path, image["id"], *size, *objects(n), *regions(n)))
    return pictures
