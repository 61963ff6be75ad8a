"""The annotations in a folder, by their format and the split that their names mean."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nanodet.data.assemble import bare_name
from nanodet.data.formats import FORMATS
from nanodet.data.formats.yolo_names import NAME_FILES
from nanodet.data.recognise import MOST, SAMPLES, SUFFIXES, formats_of
from nanodet.data.splits import list_split, split_of
from nanodet.images.image_file import is_picture_name


@dataclass
class AnnotationSource:
    """Annotations of one split: a file, or the files of some folders.

    Attributes:
        format: key of `nanodet.data.formats.FORMATS`.
        split: ``train``, ``val``, ``test``, or None if no name tells it.
        paths: the file, or the folders that have files themselves.
    """

    format: str
    split: str | None
    paths: list[Path] = field(default_factory=list)

    @property
    def annotations(self) -> Path:
        """The file, or the folder that has all of the folders."""
        return self.paths[0] if not FORMATS[self.format].folder else common_folder(self.paths)


def find_sources(
    root: Path, files: Sequence[Path], only: str | None = None, splits: bool = True
) -> tuple[list[AnnotationSource], dict[str, list[Path]]]:
    """Return the annotations in a folder, and the text files that may be lists of images, by their split.

    Args:
        root: the folder.
        files: all files below it.
        only: key of the only format to look for.
        splits: False for annotations as those of one set, whatever the names of folders mean.
    """
    grouped: dict[tuple[Path, str], list[Path]] = {}
    for file in files:
        if file.suffix.lower() in SUFFIXES and file.name not in NAME_FILES:
            grouped.setdefault((file.parent, file.suffix.lower()), []).append(file)
    sources: list[AnnotationSource] = []
    lists: dict[str, list[Path]] = {}
    stems = {bare_name(file.name) for file in files if is_picture_name(file)}
    for (folder, suffix), some in grouped.items():
        in_folder = split_of(folder.relative_to(root).parts)
        kept = []
        for file in some:
            split = list_split(file) if suffix == ".txt" and not _of_image(file, stems) else None
            if split is None or formats_of(file):
                kept.append(file)
            else:
                lists.setdefault(split, []).append(file)
        kinds: dict[str, None] = {}
        for file, names in _looked_at(kept):
            for name in names:
                if only in (None, name):
                    if FORMATS[name].folder:
                        kinds[name] = None
                    else:
                        sources.append(
                            AnnotationSource(name, split_of([file.stem]) or in_folder, [file])
                        )
        sources += [AnnotationSource(name, in_folder, [folder]) for name in kinds]
    if not splits or _only_train(sources):
        for source in sources:
            source.split = None
    return _joined(sources), lists


def _of_image(file: Path, stems: set[str]) -> bool:
    """Return whether a text file is the labels of a numbered image, such as ``train_0001``, and no list."""
    return bare_name(file.name) in stems and any(map(str.isdigit, file.stem))


def _looked_at(files: Sequence[Path]) -> Iterable[tuple[Path, list[str]]]:
    """Yield files and the formats that they may be of: of some that have content, if they are many."""
    written = 0
    for file in files[:MOST]:
        if names := formats_of(file):
            yield file, names
            written += 1
            if written >= SAMPLES and len(files) > 2 * SAMPLES:
                return


def _only_train(sources: Sequence[AnnotationSource]) -> bool:
    """Return whether some folders of one format are called for training, and others for nothing.

    Then ``toy train`` beside ``car`` is a class or a day, and no split.
    """
    return (
        {source.split for source in sources} == {None, "train"}
        and len({source.format for source in sources}) == 1
        and FORMATS[sources[0].format].folder
    )


def _joined(sources: Iterable[AnnotationSource]) -> list[AnnotationSource]:
    """Make one source of all folders of the same format and split."""
    folders: dict[tuple[str, str | None], AnnotationSource] = {}
    alone = []
    for source in sources:
        if FORMATS[source.format].folder:
            key = (source.format, source.split)
            folders.setdefault(key, AnnotationSource(*key)).paths.extend(source.paths)
        else:
            alone.append(source)
    return [*alone, *folders.values()]


def common_folder(paths: Sequence[Path]) -> Path:
    """Return the innermost folder that has all of some folders."""
    return Path(os.path.commonpath(paths))
