"""The interface of an annotation format."""

from collections.abc import Callable
from typing import NamedTuple

from nanodet.data.formats.head import Head
from nanodet.data.records import Annotations


class Format(NamedTuple):
    """One entry of `nanodet.data.formats.FORMATS`.

    Attributes:
        read: called with the folder of images, the annotations, the list of images to use or None, the
            class names or None, and a `nanodet.data.reading.Reading`; see `nanodet.data.read`.
        short: other names of the format.
        suffixes: of the annotation files.
        recognises: whether a file of such a suffix is of this format, by its `Head`.
        folder: whether the annotations are a folder of such files, or one file.
        usual: whether files of such a suffix that have no structure, such as empty ones, count as this.
        unknown_classes: "error" or "skip": the default for objects of classes that are not wanted.
        read_unannotated: like ``read``, for files that only list images; None if there are none.
    """

    read: Callable[..., Annotations]
    short: tuple[str, ...]
    suffixes: tuple[str, ...]
    recognises: Callable[[Head], bool]
    folder: bool = True
    usual: bool = False
    unknown_classes: str = "error"
    read_unannotated: Callable[..., Annotations] | None = None
