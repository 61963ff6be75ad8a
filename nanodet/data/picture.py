"""Reading the image of an annotation; needs no torch."""

import numpy as np

from nanodet.data.records import Picture
from nanodet.errors import NanodetError
from nanodet.images.image_file import read_picture
from nanodet.runtime.fit import Size


def load_picture(record: Picture) -> np.ndarray:
    """Read the image of a record, rotated by EXIF or as stored, as its labels need it.

    Returns:
        uint8 (H, W, 3) BGR.

    Raises:
        NanodetError: missing, broken, or of a size other than annotated.
    """
    picture = read_picture(record.path, orient=record.turned)
    size, said = picture.shape[1::-1], (record.width, record.height)
    if size != said and all(said):
        raise NanodetError(f"{record.path}: {other_size(size, said)}")
    return picture


def other_size(size: Size, said: Size) -> str:
    """Return the message for an image whose size differs from the annotated one."""
    return "the image has {} x {} pixels, its annotation says {} x {}".format(*size, *said)
