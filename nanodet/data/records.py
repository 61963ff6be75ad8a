"""What every annotation reader returns: images with their boxes."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass
class Picture:
    """One annotated image.

    Attributes:
        path: the file.
        image_id: the annotation's own id, or the position from 1 where it has none.
        width, height: in pixels, of the image that the labels belong to.
        boxes: float32 (N, 4) xyxy in pixels, clipped to the image, none degenerate.
        labels: int64 (N,), index into ``Annotations.class_names``.
        areas: float32 (N,), object area in square pixels as the annotation says (COCO: of the
            mask), else of the box; evaluation sorts objects into small, medium, large by it.
        ignored: float32 (M, 4) xyxy, crowd and difficult regions: neither positive nor negative.
        ignored_labels: int64 (M,); ignored_areas: float32 (M,).
        ignored_crowd: bool (M,), true where COCO's crowd matching (by IoF, many to one) holds.
        turned: whether the labels belong to the image as EXIF turns it, or as it is stored.
    """

    path: Path
    image_id: int
    width: int
    height: int
    boxes: np.ndarray
    labels: np.ndarray
    areas: np.ndarray
    ignored: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    ignored_labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    ignored_areas: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    ignored_crowd: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    turned: bool = True


@dataclass
class Counts:
    """What only the reader of a set can count.

    Attributes:
        left_out: boxes without an area inside their image.
        clipped: boxes that reached more than a pixel outside.
        without_labels: images that no label file belongs to (VOC, YOLO).
        without_picture: label files that no image belongs to (YOLO).
        exif: images that EXIF turns; stored: those of them labelled as they are stored.
    """

    left_out: int = 0
    clipped: int = 0
    without_labels: int = 0
    without_picture: int = 0
    exif: int = 0
    stored: int = 0


@dataclass
class Annotations:
    """A data set as its annotations describe it.

    Attributes:
        class_names: label ``i`` is ``class_names[i]``.
        category_ids: the annotation's own id of each class (COCO), None where it has none, else
            1, 2, ...
        pictures: in the annotation's order; images without boxes included.
        problems: one line each for what was left out or mended, naming file and object.
        notes: lines about the set as a whole: how classes were matched, which images are missing.
        skipped: classes whose objects were left out, and how many each had.
        counts: `Counts`.
        bad_pictures: a line for each image that cannot be read or has not the annotated size.
    """

    class_names: tuple[str, ...]
    category_ids: tuple[int | None, ...]
    pictures: list[Picture]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    bad_pictures: list[str] = field(default_factory=list)
