"""Boxes in another unit or form than their format has, told by those of the whole set.

A single odd box is clipped or left out and counted. Where all boxes together leave one
explanation alone, training on them would be training on noise, and that is an error.
"""

import numpy as np

from nanodet.errors import NanodetError

FAR = 0.02  # of the picture, that a box must reach outside to count
SHARE = 0.2  # of the boxes that reach outside, before another form is thought of
FEW = 3  # as many boxes at least
FAR_BEYOND = 1.5  # of the picture; no rounding leads there
ALL = 0.99  # of the boxes that the other form must fit; the rest are slips


def check_pixels(boxes, sizes, file, form):
    """Raise `NanodetError` where boxes that should be in pixels are not, or have another form.

    Args:
        boxes: (N, 4) as the files have them.
        sizes: (N, 2) width and height of each box's picture in pixels.
        file: names the annotations in the message.
        form: ``xywh`` (COCO) or ``xyxy`` (Pascal VOC).
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not len(boxes):
        return
    if (np.abs(boxes) <= 1).all() and (boxes > 0).any() and (sizes.max(axis=1) > 2).all():
        raise NanodetError(
            f"{file}: all {len(boxes)} boxes lie in 0..1, as parts of the picture, where pixels are "
            f"expected: multiply them by the width and height"
        )
    parts = boxes / np.tile(sizes, 2)
    if form == "xywh":
        if _are_corners(parts, np.hstack([parts[:, :2], parts[:, :2] + parts[:, 2:]])):
            raise NanodetError(
                f"{file}: the {len(boxes)} boxes look like corners (x1 y1 x2 y2), where x y width "
                f"height is expected: many would reach outside their pictures; subtract x1 from x2 "
                f"and y1 from y2"
            )
    elif _are_sizes(parts):
        raise NanodetError(
            f"{file}: the {len(boxes)} boxes look like x y width height, where corners (xmin ymin xmax "
            f"ymax) are expected: in many xmax is below xmin, or ymax below ymin; add xmin to xmax and "
            f"ymin to ymax"
        )


def check_parts(lines, boxes, file):
    """Raise `NanodetError` where YOLO's values are not parts of the picture, or are corners.

    Args:
        lines: `nanodet.data.yolo_lines.Line` list; boxes: (N, 4) xyxy that they mean.
        file: names the annotations in the message.
    """
    if not lines:
        return
    beyond = int((np.abs(boxes) > FAR_BEYOND).any(axis=1).sum())
    if beyond > len(lines) / 2:
        raise NanodetError(
            f"{file}: {beyond} of {len(lines)} boxes lie far outside 0..1 (in pixels?), where parts of "
            f"the picture are expected: divide them by its width and height"
        )
    plain = [n for n, line in enumerate(lines) if len(line.values) == 4]
    values = np.array([lines[n].values for n in plain]).reshape(-1, 4)
    if _are_corners(values, boxes[plain]):
        raise NanodetError(
            f"{file}: the {len(plain)} boxes look like corners (x1 y1 x2 y2), where cx cy width height "
            f"is expected: many would reach outside their pictures"
        )


def _are_corners(values, boxes):
    """Tell whether values are corners: as corners nearly all fit, as the format has it many do not.

    Args:
        values: (N, 4); boxes: (N, 4) xyxy that the format makes of them, both in parts of the picture.
    """
    if _outside(boxes).sum() < max(FEW, SHARE * len(boxes)):
        return False
    corners = (values[:, 2:] > values[:, :2]).all(axis=1) & ~_outside(values)
    return corners.mean() >= ALL


def _are_sizes(values):
    """Tell whether what should be corners, in parts of the picture, is x y width height."""
    inverted = (values[:, 2:] < values[:, :2]).any(axis=1)
    if inverted.sum() < max(FEW, SHARE * len(values)):
        return False
    fits = ~_outside(np.hstack([values[:, :2], values[:, :2] + values[:, 2:]]))
    return fits.mean() >= ALL


def _outside(boxes):
    return ((boxes < -FAR) | (boxes > 1 + FAR)).any(axis=1)
