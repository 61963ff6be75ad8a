"""The header and the end of every image of a data set, read before the first one is needed."""

import contextlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.images.header import PictureHeader
from nanodet.images.image_file import check_picture
from nanodet.text.names import first_few
from nanodet.text.progress import Progress

THREADS = 16  # enough to keep a disk or network busy; the work itself is negligible
CHUNK = 64  # images


class BadPictures(NanodetError):
    """Images that cannot be used for training: ``lines`` has one line for each, naming the file."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = lines = list(dict.fromkeys(lines))  # one image may be listed twice
        count = f"{len(lines)} images cannot be used: " if len(lines) > 1 else ""
        remedy = "; replace these files, correct their annotations (size and boxes), or remove them"
        super().__init__(count + first_few(lines, joint="; ") + remedy)


def read_headers(
    paths: Iterable[StrPath], progress: bool = True
) -> list[PictureHeader | NanodetError]:
    """Read the headers of images, and check that the files are not truncated.

    Args:
        paths: of the images.
        progress: whether to show the progress on stderr.

    Returns:
        for each path a `nanodet.images.header.PictureHeader` or, if the image is missing, broken
        or truncated, the `NanodetError` that says so.
    """
    paths = list(paths)
    chunks = [paths[n : n + CHUNK] for n in range(0, len(paths), CHUNK)]
    headers: list[PictureHeader | NanodetError] = []
    shown = Progress(len(paths), "image", progress, "checking images")
    with contextlib.closing(shown), ThreadPoolExecutor(THREADS) as pool:
        for part in pool.map(_read_chunk, chunks):
            headers += part
            for _ in part:
                shown.step()
    return headers


def _read_chunk(paths: Sequence[StrPath]) -> list[PictureHeader | NanodetError]:
    found: list[PictureHeader | NanodetError] = []
    for path in paths:
        try:
            found.append(check_picture(path))
        except NanodetError as error:
            found.append(error)
    return found
