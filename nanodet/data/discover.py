"""Finds the annotations, images and splits of a data set by the layout of its folder."""

import dataclasses
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nanodet.data.assemble import bare_name
from nanodet.data.formats import FORMATS
from nanodet.data.formats.head import Head
from nanodet.data.formats.yolo_names import NAME_FILES
from nanodet.data.recognise import MOST, OPTION, SAMPLES, SUFFIXES, formats_of, recognise
from nanodet.data.splits import list_split, split_of
from nanodet.data.yolo_yaml import YAML, yaml_sets
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.folders import files_below
from nanodet.files.inputs import absence
from nanodet.images.image_file import is_picture_name
from nanodet.text.names import first_few

_FILE_NAME = re.compile(
    r'(?:"(?:file_name|filename|image|imagePath)"\s*:\s*|<image\b[^>]*\bname=)"([^"]+)"'
)


@dataclass(frozen=True)
class FoundSet:
    """One set of images with annotations; the arguments of `nanodet.data.read.read_annotations`.

    Attributes:
        format: key of `nanodet.data.formats.FORMATS`.
        images: folder of the images.
        annotations: file or folder.
        list_path: text file of the image names to use, None for all.
    """

    format: str
    images: Path
    annotations: Path
    list_path: Path | None = None


@dataclass(frozen=True)
class FoundData:
    """What a folder has.

    Attributes:
        train: the set to train on, or everything if there is no split.
        val: the set to evaluate on, None if there is no split.
        notes: lines about what was chosen, and what was left.
        test: a third set, for neither.
    """

    train: FoundSet
    val: FoundSet | None = None
    notes: tuple[str, ...] = ()
    test: FoundSet | None = None


@dataclass
class _Source:
    """Annotations of one split: a file, or the files of some folders."""

    format: str
    split: str | None
    paths: list[Path] = field(default_factory=list)  # the file, or the folders that have files

    @property
    def annotations(self) -> Path:
        return self.paths[0] if not FORMATS[self.format].folder else _common(self.paths)


def discover(path: StrPath) -> FoundData:
    """Find the sets of a folder, of a ``data.yaml``, or of one annotation file.

    Splits are told by names: folders or files called ``train``, ``val`` (``valid``, ``validation``) and
    ``test``, such as ``labels/train`` or ``instances_val2017.json``; list files, such as those in Pascal
    VOC's ``ImageSets/Main``; or the ``train`` and ``val`` of a ``data.yaml``. A test set is the
    validation set if there is no other one.

    Raises:
        NanodetError: no annotations or images, or several sets of annotations without a hint which of them
            is meant; the message names what was found.
    """
    path = Path(path)
    if not path.exists():
        raise NanodetError(absence(path, "there is no such folder or file"))
    if path.is_file() and path.suffix.lower() in YAML:
        sets = yaml_sets(path)
        if sets is None:
            raise NanodetError(f"{path}: no data.yaml of YOLO: it has no 'train'")
        return _of_yaml(path, sets)
    if path.is_file():
        return _of_file(path)
    wrong = None
    for file in sorted(file for file in path.iterdir() if file.suffix.lower() in YAML):
        try:
            if sets := yaml_sets(file):
                return _of_yaml(file, sets)
        except NanodetError as error:  # the folders may tell
            wrong = wrong or error
    try:
        found = _of_folder(path)
    except NanodetError as error:
        raise wrong or error from None
    return (
        dataclasses.replace(found, notes=(*found.notes, f"{wrong}: not used")) if wrong else found
    )


def _of_yaml(file: Path, sets: dict[str, tuple[Path, Path | None]]) -> FoundData:
    """Return the sets of a data.yaml: `nanodet.data.yolo_yaml.yaml_sets`."""
    chosen = {}
    for split, (images, listed) in sets.items():
        if listed is None:
            chosen[split] = FoundSet("YoloDataset", images, _labels_of(images))
        else:
            every = _of_folder(images, only="YoloDataset", splits=False).train
            chosen[split] = FoundSet("YoloDataset", every.images, every.annotations, listed)
    return _divide(chosen, file)


def _labels_of(images: Path) -> Path:
    """Return the folder of YOLO's label files: ``labels`` in place of ``images``, or the same folder."""
    parts = images.parts
    for n in range(len(parts) - 1, -1, -1):
        if parts[n].lower() == "images":
            folder = Path(*parts[:n], "labels", *parts[n + 1 :])
            return folder if folder.is_dir() else images
    return images


def _of_file(path: Path) -> FoundData:
    """Return the set of one annotation file, with the images below its folder or the one above."""
    source = _Source(_recognised(path), split_of([path.stem]), [path])
    for root in (path.parent, path.absolute().parent.parent):
        pictures = _Pictures(root)
        if pictures.folders:
            return FoundData(pictures.set_of(source))
    raise NanodetError(f"{path}: no images were found in {path.parent} or the folder above it")


def _recognised(path: Path) -> str:
    """Return what `recognise` does; its errors name no option, as commands that search folders have none."""
    try:
        return recognise(path)
    except NanodetError as error:
        raise NanodetError(str(error).removesuffix(OPTION)) from None


def _of_folder(root: Path, only: str | None = None, splits: bool = True) -> FoundData:
    """Return the sets of a folder by its layout.

    Args:
        root: the folder.
        only: key of the only format to look for.
        splits: False for everything as one set.
    """
    files = list(files_below(root))
    sources, lists = _sources(root, files, only)
    if not sources:
        _recognised(root)  # says what is wrong
        raise NanodetError(f"{root}: has no annotations in a known format")
    if not splits or _one_named(sources):
        for source in sources:
            source.split = None
    sources = _joined(sources)
    pictures = _Pictures(root, files)
    if not pictures.folders:
        above = _Pictures(root.absolute().parent)
        if not above.folders:
            raise NanodetError(f"{root}: has annotations, but no images")
        pictures = above
    by_split: dict[str | None, FoundSet] = {}
    for split in dict.fromkeys(source.split for source in sources):
        by_split[split] = pictures.set_of(_only(root, [s for s in sources if s.split == split]))
    named = {split: found for split, found in by_split.items() if split is not None}
    whole = by_split.get(None)
    if whole is None or "train" in named or len(named) > 1:
        found = _divide(named, root)
        if whole is not None:
            notes = (*found.notes, f"{whole.annotations}: not used")
            found = dataclasses.replace(found, notes=notes)
        return found
    if splits:
        listed = _lists(root, lists)
        if listed.get("train"):
            return _divide(
                {
                    split: FoundSet(whole.format, whole.images, whole.annotations, file)
                    for split, file in listed.items()
                },
                root,
            )
    return FoundData(
        whole, notes=tuple(f"{found.annotations}: not used" for found in named.values())
    )


def _divide(sets: dict[str, FoundSet], place: Path) -> FoundData:
    """Choose the set to train on and the one to evaluate on among those of the splits."""
    notes = []
    if "train" not in sets:
        if len(sets) > 1:
            shown = first_few([str(found.annotations) for found in sets.values()])
            raise NanodetError(
                f"{place}: none of its sets is for training: {shown}; name one of them"
            )
        return FoundData(next(iter(sets.values())))
    train, val, test = sets["train"], sets.get("val"), sets.get("test")
    test = None if test == train else test
    if val == train:
        notes.append(f"{place}: the images of train and val are the same: not used as a split")
        val = None
    if val is None and test is not None:
        val, test = test, None
        notes.append("there is a test set, but no validation set: validated on the test set")
    elif test is not None:
        where = test.list_path or test.annotations
        notes.append(f"{where}: a test set, not used in training; measure on it with nanodet eval")
    return FoundData(train, val, tuple(notes), test)


def _sources(
    root: Path, files: Sequence[Path], only: str | None
) -> tuple[list[_Source], dict[str, list[Path]]]:
    """Return all annotations, and the text files that may be lists, by the split in their name."""
    grouped: dict[tuple[Path, str], list[Path]] = {}
    for file in files:
        if file.suffix.lower() in SUFFIXES and file.name not in NAME_FILES:
            grouped.setdefault((file.parent, file.suffix.lower()), []).append(file)
    sources: list[_Source] = []
    lists: dict[str, list[Path]] = {}
    stems = {bare_name(file.name) for file in files if is_picture_name(file)}
    for (folder, suffix), some in grouped.items():
        in_folder = split_of(folder.relative_to(root).parts)
        if suffix == ".txt":
            named = {file: None if _of_image(file, stems) else list_split(file) for file in some}
            some = [file for file in some if named[file] is None]
            for file, split in named.items():
                if split is not None and not formats_of(file):
                    lists.setdefault(split, []).append(file)
                elif split is not None:
                    some.append(file)
        kinds: dict[str, None] = {}
        for file, names in _looked_at(some):
            for name in names:
                if only in (None, name):
                    if FORMATS[name].folder:
                        kinds[name] = None
                    else:
                        sources.append(_Source(name, split_of([file.stem]) or in_folder, [file]))
        sources += [_Source(name, in_folder, [folder]) for name in kinds]
    return sources, lists


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


def _one_named(sources: Sequence[_Source]) -> bool:
    """Return whether some folders of one format are called for training, and others for nothing.

    Then ``toy train`` beside ``car`` is a class or a day, and no split.
    """
    return (
        {source.split for source in sources} == {None, "train"}
        and len({source.format for source in sources}) == 1
        and FORMATS[sources[0].format].folder
    )


def _joined(sources: Iterable[_Source]) -> list[_Source]:
    """Make one source of all folders of the same format and split."""
    joined: dict[tuple[str, str | None], _Source] = {}
    alone = []
    for source in sources:
        if FORMATS[source.format].folder:
            key = (source.format, source.split)
            joined.setdefault(key, _Source(*key)).paths.extend(source.paths)
        else:
            alone.append(source)
    return [*alone, *joined.values()]


def _only(root: Path, sources: Sequence[_Source]) -> _Source:
    """Return the one set of annotations of a split; COCO's boxes are in ``instances_...json``."""
    if len(sources) > 1:
        instances = [s for s in sources if s.annotations.name.startswith("instances_")]
        sources = instances if len(instances) == 1 else sources
    if len(sources) > 1:
        shown = first_few([f"{s.annotations} ({FORMATS[s.format].short[0]})" for s in sources])
        split = f" for {sources[0].split}" if sources[0].split else ""
        raise NanodetError(
            f"{root}: has {len(sources)} sets of annotations{split}: {shown}; name the one to use "
            f"instead of the folder"
        )
    return sources[0]


def _lists(root: Path, lists: dict[str, list[Path]]) -> dict[str, Path]:
    """Return the list file of each split; those in ``ImageSets/Main`` come before others."""
    main = {split: [f for f in files if f.parent.name == "Main"] for split, files in lists.items()}
    lists = {split: files for split, files in main.items() if files} or lists
    chosen = {}
    for split, files in lists.items():
        # Pascal VOC's trainval is for training if there is no val: its images to evaluate on are test's
        whole = [file for file in files if file.stem.lower() == "trainval"]
        files = (
            whole if whole and "val" not in lists else [f for f in files if f not in whole] or whole
        )
        if len(files) > 1:
            shown = first_few([str(file) for file in files])
            raise NanodetError(
                f"{root}: has several lists of images for {split}: {shown}; keep one"
            )
        chosen[split] = files[0]
    return chosen


def _common(paths: Sequence[Path]) -> Path:
    return Path(os.path.commonpath(paths))


class _Pictures:
    """The images below a folder, by the folders that they are in."""

    def __init__(self, root: Path, files: Iterable[Path] | None = None) -> None:
        self.root = root
        self.folders: dict[Path, str | None] = {}  # to the split
        self.by_stem: dict[str, list[Path]] = {}  # to the folders
        for path in filter(is_picture_name, files_below(root) if files is None else files):
            if path.parent not in self.folders:
                self.folders[path.parent] = split_of(path.parent.relative_to(root).parts)
            self.by_stem.setdefault(bare_name(path.name), []).append(path.parent)

    def set_of(self, source: _Source) -> FoundSet:
        """Return the set of a source, with the folder of its images."""
        folders = [folder for folder, split in self.folders.items() if split == source.split]
        folders = folders or [folder for folder, split in self.folders.items() if split is None]
        folders = folders or list(self.folders)
        if source.split is None:
            folders = list(self.folders)
        if FORMATS[source.format].folder:
            images = self._beside(source, set(folders)) or _common(folders)
        else:
            images = self._exact(source.paths[0], folders) or _common(folders)
        return FoundSet(source.format, images, source.annotations)

    def _beside(self, source: _Source, folders: set[Path]) -> Path | None:
        """Return the folder in which most annotation files of one image have an image of their name.

        It has the same subfolders as the folder of annotations.
        """
        top = source.annotations
        named: dict[Path, set[str]] = {}
        for folder in source.paths:
            inside = folder.relative_to(top).parts
            for file in folder.iterdir():
                if file.suffix.lower() not in FORMATS[source.format].suffixes:
                    continue
                stem = bare_name(file.name)
                for place in self.by_stem.get(stem, ()):
                    end = len(place.parts) - len(inside)
                    if place in folders and place.parts[end:] == inside:
                        named.setdefault(Path(*place.parts[:end]), set()).add(stem)
        if not named:
            return None
        # beside the annotations, if other folders have images of these names, too
        best = max(named, key=lambda place: (len(named[place]), place == top))
        return _common([best, *(place for place in named if named[place] - named[best])])

    def _exact(self, file: Path, folders: Sequence[Path]) -> Path | None:
        """Return the folder to which the names of images in the beginning of a file are relative."""
        names = _FILE_NAME.findall(Head.of(file).text)[:SAMPLES]
        common = _common(folders)
        above = [folder for folder in common.parents if folder.is_relative_to(self.root)]
        for folder in (common, *above, *folders):
            if names and all((folder / name).is_file() for name in names):
                return folder
        return None
