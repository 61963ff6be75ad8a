"""The result of every annotation reader: images with their boxes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass
class Picture:
    """One annotated image.

    Attributes:
        path: the file.
        image_id: the id in the annotations, or the position from 1 if there is none.
        width, height: in pixels, of the image that the labels belong to.
        boxes: float32 (N, 4) xyxy in pixels, clipped to the image, none degenerate.
        labels: int64 (N,), index into ``Annotations.class_names``.
        areas: float32 (N,), object area in square pixels as annotated (COCO: of the
            mask), otherwise of the box; evaluation sorts objects into small, medium, large by it.
        ignored: float32 (M, 4) xyxy, crowd and difficult regions: neither positive nor negative.
        ignored_labels: int64 (M,); ignored_areas: float32 (M,).
        ignored_crowd: bool (M,), true if COCO's crowd matching (by IoF, many to one) applies.
        turned: whether the labels belong to the image as rotated by EXIF, or as stored.
        listed: its name in a list file, see `nanodet.data.assemble.select`; "": its path in the folder of
            images.
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
    listed: str = ""


@dataclass
class Counts:
    """Figures that only the reader of a data set can count.

    Attributes:
        left_out: boxes without an area inside their image.
        clipped: boxes that extended more than a pixel outside.
        without_labels: images without a label file (VOC, YOLO).
        without_picture: label files without an image (YOLO).
        exif: images with an EXIF rotation; stored: those of them that were labelled as stored.
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
        category_ids: the id of each class in the annotations (COCO), None if it has none, otherwise
            1, 2, ...
        pictures: in the annotation's order; images without boxes included.
        problems: a line for each object that was left out or corrected, naming file and object.
        notes: lines about the whole data set: how classes were matched, which images are missing.
        skipped: classes whose objects were left out, and how many each had.
        counts: `Counts`.
        bad_pictures: a line for each image that cannot be read or differs from the annotated size.
        unreadable: those that cannot be read; without an annotated size, their boxes mean nothing.
    """

    class_names: tuple[str, ...]
    category_ids: tuple[int | None, ...]
    pictures: list[Picture]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    bad_pictures: list[str] = field(default_factory=list)
    unreadable: set[Path] = field(default_factory=set)


def in_both(train: Sequence[Picture], val: Sequence[Picture]) -> list[Picture]:
    """Return those of ``val`` whose file is one of ``train``, however its path is written."""
    files = {os.path.realpath(one.path) for one in train}
    return [one for one in val if os.path.realpath(one.path) in files]
