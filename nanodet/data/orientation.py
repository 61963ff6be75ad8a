"""Images with an EXIF rotation: whether a data set was labelled on rotated or on stored images.

Tools differ, and labels do not say. The annotated sizes of images whose sides are swapped decide for
the whole data set, including images that are only mirrored or upside down.
"""

from collections.abc import Sequence

import numpy as np

from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.images.header import PictureHeader
from nanodet.runtime.fit import Size

CONTRADICTED = 0.1  # fraction of the conclusive images that may disagree
TOLERANCE = 1.5  # pixels outside the image that count as rounding


def decide_turned(
    headers: Sequence[PictureHeader | None],
    sizes: Sequence[Size],
    reaches: np.ndarray,
    file: StrPath,
    reading: Reading,
) -> list[bool]:
    """Decide for each image whether its labels belong to the rotated or to the stored image.

    Args:
        headers: a `PictureHeader` of each image, None if the file cannot be read.
        sizes: (width, height) of each as annotated, zeros if the annotation does not state it.
        reaches: float64 (N, 2), right and bottom of each image's boxes in pixels; zeros where
            boxes are fractions of the image, NaN for images without boxes.
        file: names the annotations in messages.
        reading: the `nanodet.data.reading.Reading`; its ``orientation`` applies to every image,
            unless it is None or ``auto``.

    Returns:
        list of bool, true for rotated (and for images without a rotation).

    Raises:
        NanodetError: ``auto``, and nothing decides for some images with boxes.
    """
    turned = [True] * len(headers)
    changed = {n: h for n, h in enumerate(headers) if h is not None and h.orientation != 1}
    if reading.orientation in ("turned", "stored"):
        for n in changed:
            turned[n] = reading.orientation == "turned"
        return turned
    shown, confirmed, contradicted = {}, 0, 0
    for n, header in changed.items():
        size, boxes = _by_size(header, sizes[n]), _by_boxes(header, reaches[n])
        shown[n] = boxes if size is None else size
        if size is not None and boxes is not None:
            confirmed += boxes == size
            contradicted += boxes != size
    if contradicted > CONTRADICTED * (confirmed + contradicted):
        error = NanodetError(
            f"{file}: {contradicted} images turned by EXIF have the annotated size of one "
            f"orientation, but boxes that fit the other only; {_remedy(reading)}"
        )
        reading.refuse(error, "orientation")
    votes = {way for way in shown.values() if way is not None}
    common = votes.copy().pop() if len(votes) == 1 else None
    undecided = 0
    for n, header in changed.items():
        way = common if shown[n] is None else shown[n]
        if way is not None:
            turned[n] = way
        elif not all(sizes[n]) or _fits(header, sizes[n]):  # otherwise its size is an error anyway
            undecided += not np.isnan(reaches[n]).any()  # without boxes, either is fine
    if undecided:
        why = "the other images differ in" if votes else "nothing in the annotations shows"
        error = NanodetError(
            f"{file}: {undecided} labelled images are turned by EXIF, and {why} whether they were "
            f"labelled so: {_remedy(reading)}"
        )
        reading.refuse(error, "orientation")
    return turned


def _remedy(reading: Reading) -> str:
    return (
        f"{reading.spelled('orientation', 'turned')} if they were labelled as viewers show them, "
        f"{reading.spelled('orientation', 'stored')} if as the pixels are stored"
    )


def _by_size(header: PictureHeader, size: Size) -> bool | None:
    """Return what the annotated size shows: true for rotated, false for stored, None for nothing."""
    swapped = header.shown_size != (header.width, header.height)
    return tuple(size) == header.shown_size if swapped and _fits(header, size) else None


def _fits(header: PictureHeader, size: Size) -> bool:
    return tuple(size) in ((header.width, header.height), header.shown_size)


def _by_boxes(header: PictureHeader, reach: np.ndarray) -> bool | None:
    """Return the only orientation that contains the boxes, None if both do or neither."""
    shown, stored = (
        bool((reach <= np.add(sides, TOLERANCE)).all())  # false for NaN
        for sides in (header.shown_size, (header.width, header.height))
    )
    return shown if shown != stored else None
