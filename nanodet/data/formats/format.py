"""The interface of an annotation format."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from nanodet.data.formats.head import Head
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.files import StrPath


class Request(NamedTuple):
    """What a reader is to read.

    Attributes:
        img_path: folder of the images, searched recursively.
        ann_path: the annotations: a file, or the folder of a file for each image (`Format.folder`), searched
            recursively and used in alphabetical order.
        list_path: a text file of the images to use, see `nanodet.data.assemble.select`; None for all.
        class_names: the classes; None for those of the annotations: in the order of their list if they have
            one, otherwise those that occur, sorted.
        reading: how to treat doubtful data.
    """

    img_path: StrPath
    ann_path: StrPath
    list_path: StrPath | None
    class_names: Sequence[str] | None
    reading: Reading


class Format(NamedTuple):
    """One entry of `nanodet.data.formats.FORMATS`.

    Attributes:
        read: returns the `Annotations` of a `Request`, with boxes clipped to their image and those without
            area left out, and image ids 1, 2, ... if the format has none. Raises `NanodetError`; the message
            names the file and the entry.
        short: other names of the format.
        suffixes: of the annotation files.
        recognises: whether a file of such a suffix is of this format, by its `Head`.
        folder: whether the annotations are a folder of such files, or one file.
        usual: whether files of such a suffix that have no structure, such as empty ones, count as this.
        unknown_classes: "error" or "skip": the default for objects of classes that are not wanted.
        read_unannotated: like ``read``, for files that only list images; None if there are none.
    """

    read: Callable[[Request], Annotations]
    short: tuple[str, ...]
    suffixes: tuple[str, ...]
    recognises: Callable[[Head], bool]
    folder: bool = True
    usual: bool = False
    unknown_classes: str = "error"
    read_unannotated: Callable[[Request], Annotations] | None = None
