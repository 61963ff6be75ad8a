"""COCO files to read."""

import json


def coco(tmp_path, **changes):
    content = {
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 40, "height": 30},
            {"id": 3, "file_name": "b.jpg"},
        ],
        "categories": [{"id": 5, "name": "five"}, {"id": 2, "name": "two"}],
        "annotations": [box(1, 7, [1, 2, 10, 12]), box(2, 7, [4, 4, 5, 5], category_id=2)],
    }
    content.update(changes)
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content))
    return path


def box(id, image_id, bbox, category_id=5, **more):
    return {"id": id, "image_id": image_id, "bbox": bbox, "category_id": category_id, **more}
