"""The formats that annotations are written in."""

from nanodet.data.writers import coco, yolo
from nanodet.data.writers.writer import Writer

WRITERS: dict[str, Writer] = {"coco": coco.write_coco, "yolo": yolo.write_yolo}
