"""Annotated images whose objects are what a model finds in them."""

import json

from nanodet.compare.tensors import generated_picture
from nanodet.images.image_file import write_picture
from nanodet.runtime.detector import Detector


def write_found(folder, model, count):
    """Write ``count`` images into ``folder/images``, and ``folder/annotations.json``; return the folder."""
    detector = Detector(model, score=0.3, per_picture=5)
    images, annotations = [], []
    for i in range(count):
        picture = generated_picture(i)
        write_picture(folder / "images" / f"{i}.png", picture)
        size = {"width": picture.shape[1], "height": picture.shape[0]}
        images.append({"id": i, "file_name": f"{i}.png", **size})
        found = detector(picture)
        for (x1, y1, x2, y2), label in zip(found.xyxy.tolist(), found.class_id, strict=True):
            box = [x1, y1, x2 - x1, y2 - y1]
            one = {"id": len(annotations) + 1, "image_id": i, "category_id": int(label) + 1}
            annotations.append({**one, "bbox": box, "area": box[2] * box[3], "iscrowd": 0})
    assert len(annotations) > count
    names = enumerate(detector.class_names, 1)
    categories = [{"id": i, "name": name} for i, name in names]
    text = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(text))
    return folder
