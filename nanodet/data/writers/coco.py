"""Writer of COCO's JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nanodet.data.writers.writer import Part
from nanodet.files.files import write_text


def write_coco(out: Path, parts: Sequence[Part]) -> list[str]:
    """Write ``<set>.json`` for each set, or ``annotations.json`` for the only one.

    Categories have the ids 1, 2, ... in the order of the classes. Ignored regions have ``iscrowd: 1``, or
    ``ignore: 1`` if they are not matched like crowds.
    """
    for part in parts:
        text = json.dumps(content_of(part), ensure_ascii=False)
        write_text(out / f"{part.name or 'annotations'}.json", text)
    return []


def content_of(part: Part) -> dict[str, Any]:
    """Return the content of the JSON file of a set."""
    images: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for number, (picture, file) in enumerate(
        zip(part.annotations.pictures, part.files, strict=True), 1
    ):
        images.append(
            {
                "id": number,
                "file_name": file.as_posix(),
                "width": picture.width,
                "height": picture.height,
            }
        )
        taught = zip(picture.boxes, picture.labels, picture.areas, strict=True)
        ignored = zip(picture.ignored, picture.ignored_labels, picture.ignored_areas, strict=True)
        rows: list[tuple[Any, ...]] = [(*row, {}) for row in taught]
        for row, crowd in zip(ignored, picture.ignored_crowd, strict=True):
            rows.append((*row, {"iscrowd": 1} if crowd else {"ignore": 1}))
        for box, label, area, flags in rows:
            x1, y1, x2, y2 = box.tolist()
            entries.append(
                {
                    "id": len(entries) + 1,
                    "image_id": number,
                    "category_id": int(label) + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": float(area),
                    "iscrowd": 0,
                    **flags,
                }
            )
    names = enumerate(part.annotations.class_names, 1)
    categories = [{"id": number, "name": name} for number, name in names]
    return {"images": images, "annotations": entries, "categories": categories}
