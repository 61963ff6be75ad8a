"""The annotation formats."""

from nanodet.data.formats import coco, voc, yolo
from nanodet.data.formats.format import Format

FORMATS: dict[str, Format] = {
    "CocoDataset": coco.FORMAT,
    "XMLDataset": voc.FORMAT,
    "YoloDataset": yolo.FORMAT,
}
