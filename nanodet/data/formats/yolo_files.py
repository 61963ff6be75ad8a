"""Which of YOLO's text files belongs to which image."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from nanodet.data.formats.yolo_names import NAME_FILES
from nanodet.errors import NanodetError
from nanodet.files.folders import files_below
from nanodet.images.image_file import is_picture_name


def pair_files(
    img_path: Path, ann_path: Path, notes: list[str]
) -> tuple[list[Path], list[Path | None], int]:
    """Find the label file of each image: in the same subfolder of the other folder, with its stem.

    Args:
        img_path, ann_path: the folders, each a `Path`.
        notes: gets a line if a label file belongs to several images.

    Returns:
        (paths, texts, without_picture): the images in alphabetical order; the label file of each,
        None if it has none; and the number of label files without an image.

    Raises:
        NanodetError: there are no images, or no label file for any.
    """
    paths = sorted(filter(is_picture_name, files_below(img_path)))
    if not paths:
        raise NanodetError(f"{img_path}: has no images")
    files = (path for path in files_below(ann_path, pipes=True) if path.suffix.lower() == ".txt")
    label_files = {_place(path, ann_path): path for path in files if path.name not in NAME_FILES}
    texts = [label_files.get(_place(path, img_path)) for path in paths]
    if not any(texts):
        wanted = (ann_path / paths[0].relative_to(img_path)).with_suffix(".txt")
        raise NanodetError(
            f"{ann_path}: has no label file for any of the {len(paths)} images in {img_path}: "
            f"{paths[0]} would have {wanted}"
        )
    _tell_shared(paths, texts, notes)
    return paths, texts, len(set(label_files.values()) - set(texts))


def _place(path: Path, folder: Path) -> str:
    """Return the path of a file in its folder, without the suffix.

    Accents are composed, because macOS stores them decomposed.
    """
    return unicodedata.normalize("NFC", str(path.relative_to(folder).with_suffix("")))


def _tell_shared(paths: Sequence[Path], texts: Sequence[Path | None], notes: list[str]) -> None:
    first: dict[Path, Path] = {}
    several = []
    for path, text in zip(paths, texts, strict=True):
        if text is not None and first.setdefault(text, path) != path:
            several.append((text, first[text], path))
    if several:
        text, one, other = several[0]
        more = f" ({len(several) - 1} more such images)" if len(several) > 1 else ""
        notes.append(
            f"{text}: is the label file of {one.name} and of {other.name}, so its boxes count in both"
            f"{more}"
        )
