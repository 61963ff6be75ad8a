"""Formats with one annotation file per image, which names it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nanodet.data.assemble import bare_name, check_folder, select
from nanodet.data.formats.entries import Entry, annotations_of
from nanodet.data.formats.format import Request
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.folders import files_below
from nanodet.images.image_file import is_picture_name


def chosen_files(request: Request, suffix: str, notes: list[str]) -> list[Path]:
    """Return the annotation files of a suffix such as ``.xml`` that the list selects, or all.

    Raises:
        NanodetError: there are none, or the list is wrong.
    """
    check_folder(request.ann_path, "annotations")
    check_folder(request.img_path, "images")
    kind = suffix.removeprefix(".").upper()
    files = sorted(
        path for path in files_below(request.ann_path, pipes=True) if path.suffix.lower() == suffix
    )
    if not files:
        raise NanodetError(f"{request.ann_path}: has no {kind} files")
    if request.list_path is None:
        return files
    names = [str(file.relative_to(request.ann_path)) for file in files]
    chosen = select(names, request.list_path, request.reading, notes, f"{kind} file of")
    return [files[n] for n in chosen]


def annotations_of_files(
    entries: Sequence[Entry], request: Request, notes: list[str], key: str
) -> Annotations:
    """Find the images of annotation files, and do what `annotations_of` does.

    Args:
        entries: of `chosen_files`, each with its ``file``, and the name that this gives its image, "" for
            none.
        request: as the reader got it.
        notes: lines about the files.
        key: which key of a file has the name, for messages.
    """
    ann_path = request.ann_path
    named = [(entry.file or Path(), entry.name) for entry in entries]
    paths, there = _pictures(request.img_path, named, ann_path, notes, key)
    placed = [
        entry._replace(name=str(file.relative_to(ann_path).parent / (name or file.stem)), path=path)
        for entry, (file, name), path in zip(entries, named, paths, strict=True)
    ]
    found = annotations_of(placed, request._replace(list_path=None), notes)
    if request.list_path is None:
        found.counts.without_labels = len(there - {picture.path for picture in found.pictures})
    return found


def _pictures(
    img_path: StrPath,
    files: Sequence[tuple[Path, str]],
    ann_path: StrPath,
    notes: list[str],
    key: str,
) -> tuple[list[Path | None], set[Path]]:
    """Return the image of each annotation file, None if it has to be searched for, and all images.

    It is the image that the file names, unless several files name it; otherwise the one with the
    file's stem. Copied and renamed files often keep the name of another image.
    """
    by_file, by_stem = {}, {}
    for path in filter(is_picture_name, files_below(img_path)):
        inside = path.parent.relative_to(img_path)
        by_file[inside, path.name] = by_stem[inside, bare_name(path.name)] = path
    pairs = []
    for file, filename in files:
        named = own = None
        for folder in (file.relative_to(ann_path).parent, Path()):
            if named is None and own is None:
                named = by_file.get((folder, filename.rsplit("/", 1)[-1]))
                own = by_stem.get((folder, bare_name(file.name)))
        pairs.append((named, own))
    claims = Counter(named for named, _ in pairs)
    found: list[Path | None] = []
    differ = []
    for (file, _), (named, own) in zip(files, pairs, strict=True):
        if named and own and named != own:
            differ.append((file, named))
            named = named if claims[named] == 1 else own
        found.append(named or own)
    if differ:
        file, path = differ[0]
        notes.append(
            f"{ann_path}: {len(differ)} of {len(files)} files name a different image than that of "
            f"their file name ({key} in {file.name} is {path.name}): taken as named, unless "
            f"several files name one image"
        )
    return found, set(by_file.values())
