"""The annotation formats."""

from nanodet.data.formats import coco, odgt, voc, yolo
from nanodet.data.formats.format import Format

FORMATS: dict[str, Format] = {
    "CocoDataset": coco.FORMAT,
    "XMLDataset": voc.FORMAT,
    "YoloDataset": yolo.FORMAT,
    "OdgtDataset": odgt.FORMAT,
}


def full_name(name: object) -> str | None:
    """Return the name in `FORMATS` of a format, given by its long or short name in any case, or None."""
    for full, one in FORMATS.items():
        if str(name).lower() in (other.lower() for other in (full, *one.short)):
            return full
    return None
