"""The annotation formats."""

from nanodet.data.formats import (
    coco,
    createml,
    csv_file,
    cvat,
    labelme,
    labelstudio,
    odgt,
    via,
    voc,
    yolo,
)
from nanodet.data.formats.format import Format

FORMATS: dict[str, Format] = {
    "CocoDataset": coco.FORMAT,
    "XMLDataset": voc.FORMAT,
    "YoloDataset": yolo.FORMAT,
    "OdgtDataset": odgt.FORMAT,
    "CvatDataset": cvat.FORMAT,
    "LabelStudioDataset": labelstudio.FORMAT,
    "LabelMeDataset": labelme.FORMAT,
    "ViaDataset": via.FORMAT,
    "CreateMlDataset": createml.FORMAT,
    "CsvDataset": csv_file.FORMAT,
}


def full_name(name: object) -> str | None:
    """Return the name in `FORMATS` of a format, given by its long or short name in any case, or None."""
    for full, one in FORMATS.items():
        if str(name).lower() in (other.lower() for other in (full, *one.short)):
            return full
    return None
