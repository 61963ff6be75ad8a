"""Writes annotated images of any format as a new data set in another one."""

import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2

from nanodet.data.formats.yolo_names import NAME_FILES
from nanodet.data.picture import load_picture
from nanodet.data.records import Annotations
from nanodet.data.writers import WRITERS
from nanodet.data.writers.writer import Part
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import make_folder, real_path, unwritable
from nanodet.files.temporary import temporary_folder
from nanodet.images.image_file import picture_header, write_picture

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
        images: ``copy`` them into the folder, or ``link`` to them. Those with an EXIF rotation are written
            anew without it, as their boxes need them: no format says which orientation these are for.

    Returns:
        lines about rewritten images, and what the format cannot hold.

    Raises:
        NanodetError: the folder has files, is below one of the images, or cannot be written; or the classes
            differ.
    """
    out = Path(out)
    check_out(out, [folder for _, folder in sets.values()])
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
            lines = [line for part in parts for line in _rotations(part)]
            lines += WRITERS[to](work, parts)
            if out.is_dir():
                out.rmdir()
            os.rename(work, out)
    except OSError as error:
        raise unwritable(out, error) from None
    return lines


def check_out(out: StrPath, sources: Iterable[StrPath]) -> None:
    """Raise `NanodetError` if a new folder has files, or is in one of the folders among ``sources``.

    Those would have two sets of annotations then, and be read no more.
    """
    out = Path(out)
    if os.path.lexists(out) and (not out.is_dir() or any(out.iterdir())):
        raise NanodetError(f"{out}: exists already; name a new folder")
    for source in sources:
        if os.path.isdir(source) and real_path(out).is_relative_to(real_path(source)):
            raise NanodetError(
                f"{out}: is below {source}, which is converted; name a folder elsewhere"
            )


def _files(found: Annotations, folder: Path) -> list[Path]:
    """Return a path for each image: that below its folder, with another name if one has this stem.

    So have those whose file of labels would be one of class names in YOLO's format, and folders called
    ``images``, in whose place it has ``labels``.
    """
    given: dict[Path, Path] = {}
    taken: set[str] = set()
    for picture in found.pictures:
        if picture.path in given:
            continue
        inside = picture.path.name
        if picture.path.is_relative_to(folder):
            inside = str(picture.path.relative_to(folder))
        *folders, last = Path(_CONTROL.sub("_", inside)).parts
        name = file = Path(*("pictures" if f.lower() == "images" else f for f in folders), last)
        number = 1
        while (key := _key(file)) in taken or f"{file.stem}.txt" in NAME_FILES:
            number += 1
            file = name.with_stem(f"{name.stem}-{number}")
        taken.add(key)
        given[picture.path] = file
    return [given[picture.path] for picture in found.pictures]


def _key(file: Path) -> str:
    """Return what file systems and `nanodet.data.formats.yolo_files` take for the same place and stem."""
    return unicodedata.normalize("NFC", str(file.with_suffix(""))).casefold()


def _put(part: Part, work: Path, images: str) -> None:
    """Copy the images, or link to them; write those with an EXIF rotation anew."""
    found = part.annotations
    given = {p.path: (p, file) for p, file in zip(found.pictures, part.files, strict=True)}
    for source, (picture, file) in given.items():
        target = work / part.folder / file
        make_folder(target.parent)
        if found.counts.exif and picture_header(source).orientation != 1:
            suffix = target.suffix if cv2.haveImageWriter(target.name) else ".jpg"  # of .mpo
            written = target.with_name(target.name + suffix)
            write_picture(written, load_picture(picture))
            written.rename(target)
        elif images == "link":
            target.symlink_to(source.resolve())
        else:
            shutil.copyfile(source, target)


def _rotations(part: Part) -> list[str]:
    """Return a line on the images that are written anew, if any."""
    counts = part.annotations.counts
    if not counts.exif:
        return []
    ways = {"turned": counts.exif - counts.stored, "stored": counts.stored}
    said = " and ".join(way for way, count in ways.items() if count)
    return [
        f"{part.name or 'images'}: {counts.exif} images have an EXIF rotation, and are written without it, "
        f"as they were labelled: orientation: {said}"
    ]
