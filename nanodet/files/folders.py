"""Finds the data files in a folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from nanodet.errors import NanodetError
from nanodet.files import StrPath


def files_below(folder: StrPath, pipes: bool = False) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, as `Path`, sorted by name.

    Links are followed. Hidden folders, ``__MACOSX``, and files that `is_data` rejects are left out;
    with ``pipes``, pipes and devices are included, so that they do not count as missing.

    Raises:
        NanodetError: a folder cannot be read.
    """
    seen = set()
    for root, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:  # a link to a parent folder
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(n for n in folders if not n.startswith(".") and n != "__MACOSX")
        for path in (Path(root, name) for name in sorted(names)):
            if is_data(path) or (pipes and not path.name.startswith(".")):
                yield path


def check_readable(folder: StrPath, deeper: bool = False) -> None:
    """Raise `NanodetError` if a folder, or with ``deeper`` a subfolder, exists but cannot be read."""
    if os.path.lexists(folder):
        for _ in os.walk(folder, onerror=_refuse):
            if not deeper:
                break


def is_data(path: Path) -> bool:
    """Return whether a `Path` is a file that a reader may open.

    Hidden files are not (``._a.jpg`` of macOS), nor are pipes, on which a reader would wait. A broken
    link is: the reader has to report it.
    """
    return not path.name.startswith(".") and (path.is_file() or not path.exists())


def _refuse(error: OSError) -> NoReturn:
    raise NanodetError(f"{error.filename}: cannot read this folder ({error.strerror})")
