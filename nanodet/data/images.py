"""The image files of a data set: their sizes and orientation, compared with the annotations."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nanodet.data.check_images import read_headers
from nanodet.data.orientation import decide_turned
from nanodet.data.picture import other_size
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.runtime.fit import Size

UNKNOWN = (1, 1)  # the size of an image that cannot be read and has no annotated size


def look_at_images(
    found: Annotations,
    paths: Sequence[StrPath],
    sizes: Sequence[Size],
    reaches: np.ndarray,
    file: StrPath,
    reading: Reading,
) -> tuple[np.ndarray, list[bool]]:
    """Read the headers of a data set's images, once, and determine sizes and orientation.

    Args:
        found: the `Annotations` whose ``bad_pictures`` and ``counts`` are filled.
        paths: of the images.
        sizes: (width, height) of each as annotated, zeros if the annotation does not state it.
        reaches: float64 (N, 2), right and bottom of each image's boxes in pixels; zeros where
            boxes are fractions of the image, NaN for images without boxes.
        file: names the annotations in messages.
        reading: the `nanodet.data.reading.Reading`.

    Returns:
        int64 (N, 2) width and height of each image in the orientation of its boxes; list of bool,
        whether it must be rotated for that.
    """
    headers = read_headers(paths)
    known = [None if isinstance(header, NanodetError) else header for header in headers]
    turned = decide_turned(known, sizes, reaches, file, reading)
    settled = np.empty((len(paths), 2), np.int64)
    for n, (path, header, said) in enumerate(zip(paths, known, sizes, strict=True)):
        settled[n] = said if all(said) else UNKNOWN
        if header is None:
            found.bad_pictures.append(str(headers[n]))
            found.unreadable.add(Path(path))
            continue
        stored, shown = (header.width, header.height), header.shown_size
        settled[n] = size = shown if turned[n] else stored
        may_be = (stored, shown) if reading.orientation in ("turned", "stored") else (size,)
        if all(said) and tuple(said) not in may_be:
            found.bad_pictures.append(f"{path}: {other_size(size, said)}")
        if header.orientation != 1:
            found.counts.exif += 1
            found.counts.stored += not turned[n]
    return settled, turned
