"""Reading the picture of an annotation; needs no torch."""

from nanodet.errors import NanodetError
from nanodet.runtime.pictures import read_picture


def load_picture(record):
    """Read the picture of a record, as its annotation saw it.

    Some tools annotate a picture as its EXIF orientation turns it, some as it is stored; the
    annotated size tells which.

    Returns:
        uint8 (H, W, 3) BGR.

    Raises:
        NanodetError: missing, broken, or of another size than the annotation says.
    """
    picture = read_picture(record.path)
    height, width = picture.shape[:2]
    said = (record.width, record.height)
    if (width, height) != said and (height, width) == said:
        picture = read_picture(record.path, orient=False)
        height, width = picture.shape[:2]
    if (width, height) != said and all(said):
        raise NanodetError(
            f"{record.path}: the picture has {width} x {height} pixels, "
            f"its annotation says {record.width} x {record.height}"
        )
    return picture
