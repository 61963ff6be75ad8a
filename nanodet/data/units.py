"""Boxes in another unit or form than their format has, told by those of the whole set.

A single odd box is clipped or left out and counted. Where all boxes together leave one
explanation alone, training on them would be training on noise, and that is an error.
"""

import numpy as np

from nanodet.errors import NanodetError

FAR = 0.02  # of the image, that a box must reach outside to count
SHARE = 0.05  # of the boxes that do not fit, before another form is thought of
FEW = 3  # as many boxes at least
FAR_BEYOND = 1.5  # of the image; no rounding leads there
ALL = 0.99  # of the boxes that the other form must fit; the rest are slips
NEARLY = 0.95  # of the boxes in 0..1: one rounded to 1.002 does not make pixels of the others
ENOUGH = 20  # boxes, of which the places tell something
UNUSED = 0.1  # of the width and of the height, right and bottom, that no box reaches
SCALES = (100, 1000)  # units that some tools divide an image into

XYWH, CORNERS, CENTRE = "x y width height", "x1 y1 x2 y2", "cx cy width height"
FORMS = {  # what boxes (N, 4) of each form are as xyxy
    XYWH: lambda b: np.hstack([b[:, :2], b[:, :2] + b[:, 2:]]),
    CORNERS: lambda b: b,
    CENTRE: lambda b: np.hstack([b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2]),
    "y x height width": lambda b: np.hstack([b[:, 1::-1], b[:, 1::-1] + b[:, :1:-1]]),
    "y1 x1 y2 x2": lambda b: b[:, [1, 0, 3, 2]],
}
DEEP = 0.1  # of the image, that exchanged sides lead beyond it
EXCHANGED = ("y x height width", "y1 x1 y2 x2")  # they lead beyond the shorter side alone


def check_pixels(boxes, sizes, file, form, notes):
    """Raise `NanodetError` where boxes that should be in pixels are not, or have another form.

    Args:
        boxes: (N, 4) as the files have them.
        sizes: (N, 2) width and height of each box's image in pixels.
        file: names the annotations in messages.
        form: a key of `FORMS`.
        notes: gets a line where the boxes leave much of their images unused.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not len(boxes):
        return
    parts = int((np.abs(boxes) <= 1).all(axis=1).sum())
    if parts >= NEARLY * len(boxes) and (boxes > 0).any() and (sizes.max(axis=1) > 2).all():
        share = f"all {parts}" if parts == len(boxes) else f"{parts} of {len(boxes)}"
        raise NanodetError(
            f"{file}: {share} boxes lie in 0..1, as parts of the image, where pixels are "
            f"expected: multiply them by the width and height"
        )
    _check_form(boxes, sizes, file, form, notes)
    _tell_unused(FORMS[form](boxes), sizes, file, notes)


def check_parts(lines, boxes, file, notes):
    """Raise `NanodetError` where YOLO's values are not parts of the image, or have another form.

    Args:
        lines: `nanodet.data.yolo_lines.Line` list; boxes: (N, 4) xyxy that they mean.
        file: names the annotations in the message.
        notes: gets a line where they may have another form.
    """
    beyond = int((np.abs(boxes) > FAR_BEYOND).any(axis=1).sum())
    if beyond > len(lines) / 2:
        raise NanodetError(
            f"{file}: {beyond} of {len(lines)} boxes lie far outside 0..1, where parts of the image are "
            f"expected: divide pixels by the width and height of the image, percentages by 100"
        )
    plain = np.array([line.values for line in lines if len(line.values) == 4]).reshape(-1, 4)
    _check_form(plain, np.ones((len(plain), 2)), file, CENTRE, notes)


def _check_form(boxes, sizes, file, form, notes):
    """Raise `NanodetError` where many boxes do not fit, and in another form nearly all do.

    A wrong form leads beyond the right edge and the lower one alike, or the left and the upper, or
    of exchanged sides beyond the shorter one. People whose feet are below the image reach across
    one edge: there it is a line.
    """
    parts = FORMS[form](boxes) / np.tile(sizes, 2)
    across, down = (_beyond(parts[:, [side, side + 2]]) for side in (0, 1))
    lost = int((across | down).sum())
    if lost < max(FEW, SHARE * len(boxes)):
        return
    for other, convert in FORMS.items():
        if other == form or _fits(convert(boxes), sizes).mean() < ALL:
            continue
        line = (
            f"{file}: the {len(boxes)} boxes look like {other}, where {form} is expected: so read, "
            f"{lost} have no area or reach outside their image"
        )
        deep = other in EXCHANGED and (parts > 1 + DEEP).any()
        if deep or (across.any() and down.any()):
            raise NanodetError(f"{line}; convert them")
        notes.append(
            f"{line}, all across the same edges: clipped; if they are {other}, convert them"
        )
        return


def _beyond(interval):
    """Tell which intervals (N, 2), in parts of the image, are empty or lead outside it."""
    outside = (interval < -FAR) | (interval > 1 + FAR)
    return outside.any(axis=1) | (interval[:, 1] <= interval[:, 0])


def _fits(xyxy, sizes):
    parts = xyxy / np.tile(sizes, 2)
    inside = ((parts >= -FAR) & (parts <= 1 + FAR)).all(axis=1)
    return inside & (parts[:, 2:] > parts[:, :2]).all(axis=1)


def _tell_unused(xyxy, sizes, file, notes):
    """Add a line where all boxes lie in the upper left part of their images.

    Boxes of a camera that stands still may do so; those in percent, or of images that were
    enlarged after labelling, always do.
    """
    parts = xyxy / np.tile(sizes, 2)
    start, end = parts[:, :2].min(axis=0), parts[:, 2:].max(axis=0)
    if len(xyxy) < ENOUGH or (end > 1 - UNUSED).any():
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
