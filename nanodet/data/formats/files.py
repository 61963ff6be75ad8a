"""The images of formats with one annotation file per image, which names it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nanodet.data.assemble import bare_name
from nanodet.files import StrPath
from nanodet.files.folders import files_below
from nanodet.images.image_file import is_picture_name


def pictures_of_files(
    img_path: StrPath,
    files: Sequence[tuple[Path, str]],
    ann_path: StrPath,
    notes: list[str],
    key: str = "<filename>",
) -> tuple[list[Path | None], set[Path]]:
    """Return the image of each annotation file, None if it has to be searched for, and all images.

    It is the image that the file names, unless several files name it; otherwise the one with the
    file's stem. Copied and renamed files often keep the name of another image.

    Args:
        img_path, ann_path: the folders.
        files: the annotation files below ``ann_path``, and the name that each gives its image.
        notes: gets a line if names differ from those of the files.
        key: which key of the file has the name, for that line.
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
