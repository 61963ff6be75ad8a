"""Detects boxes in the wrong unit or form for their format, from all boxes of a data set.

A single odd box is clipped or left out, and counted. If all boxes together have only one
explanation, training on them would be training on noise, and that is an error.
"""

from collections.abc import Sequence

import numpy as np

from nanodet.data.formats.yolo_lines import Line
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.files import StrPath

OUTSIDE = 0.02  # fraction of the image by which a box must extend outside to count
FAR_OUTSIDE = 1.5  # fraction of the image; more than rounding
LOST_SHARE, LOST_MIN = (
    0.05,
    3,
)  # fraction of the boxes, and boxes: fewer that do not fit are mistakes
FORM_FITS = (
    0.99  # fraction of the boxes that must fit another form to consider it; the rest are mistakes
)
BOTH_AXES = 0.1  # fraction of the boxes that do not fit, along the axis with fewer of them
IN_PARTS = 0.95  # fraction of the boxes in 0..1: one may be rounded to 1.002
PLACES_MIN = 20  # boxes, enough to judge by their positions
UNUSED = 0.1  # fractions of the width and height, at the right and bottom, that no box reaches
RAISING = Reading()
SCALES = (100, 1000)  # units per image that some tools use

XYWH, CORNERS, CENTRE = "x y width height", "x1 y1 x2 y2", "cx cy width height"
FORMS = {  # converts boxes (N, 4) of each form to xyxy
    XYWH: lambda b: np.hstack([b[:, :2], b[:, :2] + b[:, 2:]]),
    CORNERS: lambda b: b,
    CENTRE: lambda b: np.hstack([b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2]),
    "y x height width": lambda b: np.hstack([b[:, 1::-1], b[:, 1::-1] + b[:, :1:-1]]),
    "y1 x1 y2 x2": lambda b: b[:, [1, 0, 3, 2]],
}
EXCHANGED = ("y x height width", "y1 x1 y2 x2")
EXCHANGED_OUTSIDE = 0.1  # fraction of the image by which swapped sides exceed the shorter one


def check_pixels(
    boxes: np.ndarray,
    sizes: np.ndarray,
    file: StrPath,
    form: str,
    notes: list[str],
    reading: Reading = RAISING,
) -> None:
    """Raise `NanodetError` if boxes that should be in pixels are not, or have another form.

    Args:
        boxes: (N, 4) as the files have them.
        sizes: (N, 2) width and height of each box's image in pixels.
        file: names the annotations in messages.
        form: a key of `FORMS`.
        notes: gets a line if the boxes leave much of their images unused.
        reading: decides whether an error is raised, see `Reading.refuse`.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not len(boxes):
        return
    parts = int((np.abs(boxes) <= 1).all(axis=1).sum())
    if parts >= IN_PARTS * len(boxes) and (boxes > 0).any() and (sizes.max(axis=1) > 2).all():
        share = f"all {parts}" if parts == len(boxes) else f"{parts} of {len(boxes)}"
        error = NanodetError(
            f"{file}: {share} boxes lie in 0..1, as parts of the image, where pixels are "
            f"expected: multiply them by the width and height"
        )
        reading.refuse(error, "form")
        return
    _check_form(boxes, sizes, file, form, notes, reading)
    _tell_unused(FORMS[form](boxes), sizes, file, notes)


def check_parts(
    lines: Sequence[Line],
    boxes: np.ndarray,
    file: StrPath,
    notes: list[str],
    reading: Reading = RAISING,
) -> None:
    """Raise `NanodetError` if YOLO's values are not fractions of the image, or have another form.

    Args:
        lines: `nanodet.data.formats.yolo_lines.Line` list; boxes: (N, 4) xyxy, their boxes.
        file: names the annotations in the message.
        notes: gets a line if they may have another form.
        reading: decides whether an error is raised, see `Reading.refuse`.
    """
    beyond = int((np.abs(boxes) > FAR_OUTSIDE).any(axis=1).sum())
    if beyond > len(lines) / 2:
        error = NanodetError(
            f"{file}: {beyond} of {len(lines)} boxes lie far outside 0..1, where parts of the image are "
            f"expected: divide pixels by the width and height of the image, percentages by 100"
        )
        reading.refuse(error, "form")
        return
    plain = np.array([line.values for line in lines if len(line.values) == 4]).reshape(-1, 4)
    _check_form(plain, np.ones((len(plain), 2)), file, CENTRE, notes, reading)


def _check_form(
    boxes: np.ndarray,
    sizes: np.ndarray,
    file: StrPath,
    form: str,
    notes: list[str],
    reading: Reading,
) -> None:
    """Raise `NanodetError` if many boxes do not fit, and in another form nearly all do.

    A wrong form gives boxes without area, or boxes that extend outside along both axes or, with
    swapped sides, far beyond the shorter one. Objects that are cut by one edge of the image, such as
    people whose feet are below it, only cause a note.
    """
    xyxy = FORMS[form](boxes)
    outside, empty = _outside(xyxy, sizes), _empty(xyxy)
    lost = int((outside.any(axis=1) | empty).sum())
    if lost < max(LOST_MIN, LOST_SHARE * len(boxes)):
        return
    for other, convert in FORMS.items():
        converted = convert(boxes)
        misfits = _outside(converted, sizes).any(axis=1) | _empty(converted)
        if other == form or misfits.mean() > 1 - FORM_FITS:
            continue
        line = (
            f"{file}: the {len(boxes)} boxes look like {other}, where {form} is expected: read as "
            f"the latter, {lost} have no area or extend outside their image"
        )
        far = other in EXCHANGED and _outside(xyxy, sizes, EXCHANGED_OUTSIDE).any()
        both = outside.sum(axis=0).min() >= BOTH_AXES * lost
        if far or both or empty.sum() >= LOST_MIN:
            reading.refuse(NanodetError(f"{line}; convert them"), "form")
            return
        notes.append(
            f"{line}, nearly all along one axis: clipped; if they are {other}, convert them"
        )
        return


def _outside(xyxy: np.ndarray, sizes: np.ndarray, margin: float = OUTSIDE) -> np.ndarray:
    """Return which boxes (N, 4) extend outside their images along x and along y: (N, 2)."""
    parts = (xyxy / np.tile(sizes, 2)).reshape(-1, 2, 2)
    return np.any((parts < -margin) | (parts > 1 + margin), axis=1)


def _empty(xyxy: np.ndarray) -> np.ndarray:
    """Return which boxes (N, 4) have no area: (N,)."""
    return np.any(xyxy[:, 2:] <= xyxy[:, :2], axis=1)


def _tell_unused(xyxy: np.ndarray, sizes: np.ndarray, file: StrPath, notes: list[str]) -> None:
    """Add a line if all boxes lie in the upper left part of their images.

    Boxes from a fixed camera may do so; those in percent, or of images that were enlarged after
    labelling, always do.
    """
    parts = xyxy / np.tile(sizes, 2)
    start, end = parts[:, :2].min(axis=0), parts[:, 2:].max(axis=0)
    if len(xyxy) < PLACES_MIN or (end > 1 - UNUSED).any():
        return
    reach = xyxy[:, 2:].max(axis=0)
    scale = next((s for s in SCALES if ((reach > s * (1 - UNUSED)) & (reach <= s)).all()), None)
    if scale:
        why = f"is their unit 1/{scale} of the image, where pixels are expected?"
    elif (start < UNUSED / 2).all():
        why = "were the images enlarged after labelling?"
    else:
        return
    notes.append(
        f"{file}: all {len(xyxy)} boxes lie in the left {end[0]:.0%} and the upper "
        f"{end[1]:.0%} of their images: {why}"
    )
