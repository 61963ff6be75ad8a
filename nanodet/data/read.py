"""One call for every annotation format."""

import dataclasses
from collections.abc import Sequence

from nanodet.data.check_images import BadPictures
from nanodet.data.formats import FORMATS, full_name
from nanodet.data.formats.format import Request
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files import StrPath


def read_annotations(
    name: str,
    img_path: StrPath,
    ann_path: StrPath,
    list_path: StrPath | None = None,
    class_names: Sequence[str] | None = None,
    annotated: bool = True,
    reading: Reading | None = None,
) -> Annotations:
    """Read a data set's annotations.

    Args:
        name: the format, as a config's ``data.train.name`` or short, such as ``coco`` or ``voc``: a key or
            short name of `nanodet.data.formats.FORMATS`; upper and lower case alike.
        img_path: folder of images.
        ann_path: the file of annotations, such as COCO's JSON, or the folder of a file for each image, such
            as VOC's XML.
        list_path: a text file with one image name per line; None for all images.
        class_names: names of the classes, matched with those of the data by
            `nanodet.data.classes.match_classes`; None to take them from the data.
        annotated: False takes a COCO file without annotations, see `read_coco`.
        reading: the `Reading`, which says how to treat doubtful data; None for the defaults.

    Returns:
        `nanodet.data.records.Annotations` with at least one image.

    Raises:
        BadPictures: images that cannot be read or differ from the annotated size, unless the
            `Reading` collects faults.
        NanodetError: any other fault of the files, in one line.
    """
    full = full_name(name)
    if full is None:
        known = ", ".join(one for full, other in FORMATS.items() for one in (full, *other.short))
        raise NanodetError(f"unknown data set format {name!r}; known are {known}")
    found, reading = FORMATS[full], reading or Reading()
    if reading.unknown_classes is None:
        reading = dataclasses.replace(reading, unknown_classes=found.unknown_classes)
    read = found.read if annotated else found.read_unannotated or found.read
    annotations = read(Request(img_path, ann_path, list_path, class_names, reading))
    if not annotations.pictures:
        raise NanodetError(f"{ann_path}: has no images")
    if annotations.bad_pictures and reading.faults is None:
        raise BadPictures(annotations.bad_pictures)
    return annotations
