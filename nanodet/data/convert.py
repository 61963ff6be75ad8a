"""Writes annotated images of any format as a new data set in another one."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from nanodet.data.records import Annotations
from nanodet.data.writers import WRITERS
from nanodet.data.writers.writer import Part
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import make_folder, unwritable
from nanodet.files.temporary import temporary_folder

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")  # in names, which list files cannot hold


def convert(
    sets: Mapping[str, tuple[Annotations, StrPath]], out: StrPath, to: str, images: str = "copy"
) -> list[str]:
    """Write sets of annotated images as a new folder, completely or not at all.

    Args:
        sets: name of each set, such as ``train``, to its `Annotations` and the folder of its images. The
            classes must be the same. The only set may be called "".
        out: the folder to create; it must not exist, or be empty.
        to: a key of `nanodet.data.writers.WRITERS`.
        images: ``copy`` them into the folder, or ``link`` to them. They are never changed.

    Returns:
        lines about what the format cannot hold.

    Raises:
        NanodetError: the folder has files, or cannot be written; or the classes differ.
    """
    out = Path(out)
    if os.path.lexists(out) and (not out.is_dir() or any(out.iterdir())):
        raise NanodetError(f"{out}: exists already; name a new folder")
    (_, (first, _)), *others = sets.items()
    for name, (found, _) in others:
        if found.class_names != first.class_names:
            raise NanodetError(f"{name}: has other classes than the first set")
    parts = [
        Part(name, found, _files(found, Path(folder))) for name, (found, folder) in sets.items()
    ]
    make_folder(out.absolute().parent)
    try:
        with temporary_folder(out.absolute().parent) as work:
            for part in parts:
                _put(part, work, images)
            lines = WRITERS[to](work, parts)
            if out.is_dir():
                out.rmdir()
            os.rename(work, out)
    except OSError as error:
        raise unwritable(out, error) from None
    return lines


def _files(found: Annotations, folder: Path) -> list[Path]:
    """Return a path for each image: that below its folder, with another name if one has this stem."""
    given: dict[Path, Path] = {}
    taken: set[str] = set()
    for picture in found.pictures:
        if picture.path in given:
            continue
        inside = picture.path.name
        if picture.path.is_relative_to(folder):
            inside = str(picture.path.relative_to(folder))
        name = file = Path(_CONTROL.sub("_", inside))
        number = 1
        while (key := str(file.with_suffix("")).casefold()) in taken:
            number += 1
            file = name.with_stem(f"{name.stem}-{number}")
        taken.add(key)
        given[picture.path] = file
    return [given[picture.path] for picture in found.pictures]


def _put(part: Part, work: Path, images: str) -> None:
    """Copy the images, or link to them."""
    folders: set[Path] = set()
    pairs: Sequence[tuple[Path, Path]] = [
        (picture.path, work / part.folder / file)
        for picture, file in zip(part.annotations.pictures, part.files, strict=True)
    ]
    for source, target in dict.fromkeys(pairs):
        if target.parent not in folders:
            make_folder(target.parent)
            folders.add(target.parent)
        if images == "link":
            target.symlink_to(source.resolve())
        else:
            shutil.copyfile(source, target)
