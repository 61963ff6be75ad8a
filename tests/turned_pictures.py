"""Images that EXIF turns, with one object, and their annotations in every format."""

import json
import struct

import cv2
import numpy as np

from nanodet.images.image_file import read_picture

BOX = (8, 6, 30, 18)  # of the object in the image as stored; no turn of it is itself
COLOUR = (0, 0, 255)


def write_turned(path, orientation, size=(64, 48)):
    """Write a JPEG of a size as stored with a red box, and an EXIF orientation of 1 to 8."""
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    x1, y1, x2, y2 = BOX
    picture[y1:y2, x1:x2] = COLOUR
    write_oriented(path, picture, orientation)


def write_oriented(path, picture, orientation):
    """Write a JPEG with an EXIF orientation of 1 to 8."""
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    body = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:])


def labelled(path, turned):
    """Return (width, height) and xyxy of the object, of the image as turned or as stored."""
    picture = read_picture(path, orient=turned)
    ys, xs = np.nonzero(picture[..., 2].astype(int) - picture[..., 0] > 120)
    box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    return picture.shape[1::-1], tuple(int(v) for v in box)


def annotate(folder, kind, turned, sizes=True):
    """Annotate the images of ``folder/images`` and return the annotations' path.

    Args:
        folder: gets the annotations.
        kind: ``coco``, ``voc``, ``yolo``, ``cvat`` or ``labelstudio``.
        turned: by file name, whether the labels are of the image as turned; None: no labels.
        sizes: whether the annotations have the images' sizes (COCO and VOC).
    """
    images, boxes, parts = [], [], []
    files = {"coco": "coco.json", "cvat": "cvat.xml", "labelstudio": "studio.json"}
    target = folder / (files | {"voc": "xml", "yolo": "labels"})[kind]
    if kind not in files:
        target.mkdir()
    for n, (name, way) in enumerate(turned.items(), 1):
        (w, h), (x1, y1, x2, y2) = labelled(folder / "images" / name, bool(way))
        images.append({"id": n, "file_name": name, **({"width": w, "height": h} if sizes else {})})
        size = f"<size><width>{w}</width><height>{h}</height></size>" * sizes
        thing = (
            f"<object><name>box</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax>"
            f"<ymax>{y2}</ymax></bndbox></object>"
        )
        line = f"0 {(x1 + x2) / 2 / w} {(y1 + y2) / 2 / h} {(x2 - x1) / w} {(y2 - y1) / h}\n"
        if way is None:
            thing, line = "", ""
        else:
            box = [x1, y1, x2 - x1, y2 - y1]
            boxes.append({"id": n, "image_id": n, "category_id": 1, "bbox": box})
        if kind == "cvat":
            shape = f'<box label="box" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"/>' * bool(thing)
            parts.append(f'<image name="{name}" width="{w}" height="{h}">{shape}</image>')
        elif kind == "labelstudio":
            value = {"x": x1 / w, "y": y1 / h, "width": (x2 - x1) / w, "height": (y2 - y1) / h}
            value = {key: 100 * part for key, part in value.items()} | {"rectanglelabels": ["box"]}
            region = {"value": value, "original_width": w, "original_height": h}
            parts.append(
                {"data": {"image": name}, "annotations": [{"result": [region] * bool(thing)}]}
            )
        stem = name.rsplit(".", 1)[0]
        if kind == "voc":
            text = f"<annotation><filename>{name}</filename>{size}{thing}</annotation>"
            (target / f"{stem}.xml").write_text(text)
        elif kind == "yolo":
            (target / f"{stem}.txt").write_text(line)
    if kind == "coco":
        content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "box"}]}
        target.write_text(json.dumps(content))
    elif kind == "cvat":
        target.write_text(f"<annotations>{''.join(parts)}</annotations>")
    elif kind == "labelstudio":
        target.write_text(json.dumps(parts))
    return target
