"""Finds the annotations, images and splits of a data set by the layout of its folder."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nanodet.data.formats import FORMATS
from nanodet.data.formats.yolo_names import YAML
from nanodet.data.image_folders import ImageFolders
from nanodet.data.recognise import OPTION, recognise
from nanodet.data.sources import AnnotationSource, find_sources
from nanodet.data.splits import split_of
from nanodet.data.yolo_yaml import yaml_sets
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.folders import files_below
from nanodet.files.inputs import absence
from nanodet.text.names import first_few


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
    return _unused(found, [wrong] if wrong else [])


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
    source = AnnotationSource(_recognised(path), split_of([path.stem]), [path])
    for root in (path.parent, path.absolute().parent.parent):
        pictures = ImageFolders(root)
        if pictures.folders:
            return FoundData(_found_set(source, pictures))
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
    sources, lists = find_sources(root, files, only, splits)
    if not sources:
        _recognised(root)  # says what is wrong
        raise NanodetError(f"{root}: has no annotations in a known format")
    pictures = ImageFolders(root, files)
    if not pictures.folders:
        above = ImageFolders(root.absolute().parent)
        if not above.folders:
            raise NanodetError(f"{root}: has annotations, but no images")
        pictures = above
    by_split: dict[str | None, FoundSet] = {}
    for split in dict.fromkeys(source.split for source in sources):
        by_split[split] = _found_set(
            _only(root, [s for s in sources if s.split == split]), pictures
        )
    named = {split: found for split, found in by_split.items() if split is not None}
    whole = by_split.get(None)
    if whole is None or "train" in named or len(named) > 1:
        return _unused(_divide(named, root), [whole.annotations] if whole else [])
    listed = _lists(root, lists) if splits else {}
    found = FoundData(whole)
    if "train" in listed:
        sets = {s: dataclasses.replace(whole, list_path=file) for s, file in listed.items()}
        found = _divide(sets, root)
    return _unused(found, [one.annotations for one in named.values()])


def _unused(found: FoundData, what: Sequence[object]) -> FoundData:
    """Return what was found, with a line for each thing that is not used."""
    return dataclasses.replace(found, notes=(*found.notes, *(f"{one}: not used" for one in what)))


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


def _found_set(source: AnnotationSource, pictures: ImageFolders) -> FoundSet:
    return FoundSet(source.format, pictures.folder_of(source), source.annotations)


def _only(root: Path, sources: Sequence[AnnotationSource]) -> AnnotationSource:
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
