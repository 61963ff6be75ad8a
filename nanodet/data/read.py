"""One call for every annotation format."""

import dataclasses

from nanodet.data.check_images import BadPictures
from nanodet.data.coco import read_coco
from nanodet.data.reading import Reading
from nanodet.data.voc import read_voc
from nanodet.data.yolo import read_yolo
from nanodet.errors import NanodetError

READERS = {
    "CocoDataset": read_coco,
    "coco": read_coco,
    "XMLDataset": read_voc,
    "xml_dataset": read_voc,
    "voc": read_voc,
    "YoloDataset": read_yolo,
    "yolo": read_yolo,
}


def read_annotations(
    name, img_path, ann_path, list_path=None, class_names=None, annotated=True, reading=None
):
    """Read a data set's annotations.

    Args:
        name: the format, as a config's ``data.train.name`` or short: ``coco``, ``voc``,
            ``yolo``; upper and lower case alike.
        img_path: folder of pictures.
        ann_path: the JSON file of COCO, the folder of XML or text files of VOC and YOLO.
        list_path: a text file with one picture name a line; None for all pictures.
        class_names: names of the classes, matched with those of the data as
            `nanodet.data.classes.match_classes` says; None to take them from the data.
        annotated: False takes a COCO file without annotations, see `read_coco`.
        reading: the `Reading`, which says what to do about what is doubtful; None for the defaults.

    Returns:
        `nanodet.data.records.Annotations` with at least one picture.

    Raises:
        BadPictures: pictures that cannot be read or have not the annotated size.
        NanodetError: anything else that is wrong with the files, in one line.
    """
    reader = {known.lower(): reader for known, reader in READERS.items()}.get(str(name).lower())
    if reader is None:
        raise NanodetError(f"unknown data set format {name!r}; known are {', '.join(READERS)}")
    reading = reading or Reading()
    if reading.unknown_classes is None:
        choice = "skip" if reader is read_voc else "error"
        reading = dataclasses.replace(reading, unknown_classes=choice)
    more = {} if annotated or reader is not read_coco else {"annotated": False}
    annotations = reader(img_path, ann_path, list_path, class_names, reading, **more)
    if not annotations.pictures:
        raise NanodetError(f"{ann_path}: has no pictures")
    if annotations.bad_pictures:
        raise BadPictures(annotations.bad_pictures)
    return annotations
