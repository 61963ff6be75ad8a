"""The sets to train on and to evaluate on: those of the data, or a split that is made."""

import dataclasses
import math
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nanodet.data.discover import FoundData, FoundSet
from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations, Picture, in_both
from nanodet.data.splits import split_of
from nanodet.data.tell import tell_reading
from nanodet.errors import NanodetError
from nanodet.files.files import write_text
from nanodet.images.likeness import groups, likenesses
from nanodet.init.recipe import VALIDATION
from nanodet.init.split import joined, split
from nanodet.text import Say
from nanodet.text.counted import counted
from nanodet.text.names import first_few, is_unicode

ONE_SCENE = 0.4  # share of the images in one group, above which it is cut
RUN = 0.05  # share of the images in a part of such a group
_AUGMENTED = re.compile(r"(.+)\.rf\.[0-9A-Za-z]{8,}")  # names of Roboflow's exports


class Sets(NamedTuple):
    """Two sets: to train on, and to evaluate on.

    Attributes:
        class_names: of both.
        sets: where they are.
        pictures: what they have.
        how: a line on how they were split, "" if the data has a split.
        lists: the texts of the list files of a split, none if the data has one.
    """

    class_names: tuple[str, ...]
    sets: tuple[FoundSet, FoundSet]
    pictures: tuple[list[Picture], list[Picture]]
    how: str = ""
    lists: tuple[str, ...] = ()


def train_and_val(
    found: FoundData,
    files: Sequence[Path],
    classes: Sequence[str] | None,
    reading: Reading,
    seed: int,
    say: Say,
) -> Sets:
    """Read the sets, and split the images if there is only one.

    Args:
        found: the data.
        files: where the lists of a split will be written; nothing is written yet.
        classes: the wanted ones, in order; None for all.
        reading: how to read the annotations.
        seed: of the split.
        say: gets lines for the user.

    Raises:
        NanodetError: a fault of the data, images in both sets, or too few to split.
    """
    for line in found.notes:
        say(line)
    whole = _read(found.train, classes, dataclasses.replace(reading, training=True), say)
    names = whole.class_names
    if found.val is not None:
        val = _read(found.val, names, reading, say)
        _check_apart(whole.pictures, val.pictures, found.val)
        return Sets(names, (found.train, found.val), (whole.pictures, val.pictures))
    parts, how = _split(whole, found.train.images, seed, say)
    train, val_part = ([whole.pictures[n] for n in part] for part in parts)
    texts = tuple(_list_text(part, found.train.images) for part in (train, val_part))
    for part, text in zip((train, val_part), texts, strict=True):
        _check_list(found.train, text, names, reading, part)
    first, second = (dataclasses.replace(found.train, list_path=file) for file in files)
    return Sets(names, (first, second), (train, val_part), how, texts)


def _read(found: FoundSet, names: Sequence[str] | None, reading: Reading, say: Say) -> Annotations:
    annotations = read_annotations(
        found.format, found.images, found.annotations, found.list_path, names, reading=reading
    )
    tell_reading(annotations, say)
    return annotations


def _split(
    whole: Annotations, folder: Path, seed: int, say: Say
) -> tuple[tuple[list[int], list[int]], str]:
    """Return the indices of the images to train on and to evaluate on, and how they were chosen."""
    count = len(whole.pictures)
    by_folder = _split_of_folders(whole.pictures, folder)
    if by_folder:
        if unused := count - sum(map(len, by_folder)):
            say(
                f"{folder}: {counted(unused, 'image')} in folders of a test set left out: for neither set"
            )
        return by_folder, "split by the folders of the images"
    paths = [picture.path for picture in whole.pictures]
    alike = joined([*groups(likenesses(paths)), *_of_one_source(paths)])
    cut = []
    for group in alike:
        if len(group) > ONE_SCENE * count:
            group.sort(key=lambda n: str(whole.pictures[n].path))
            runs = np.array_split(group, math.ceil(len(group) / max(RUN * count, 1)))
            cut += [run.tolist() for run in runs]
            say(
                f"{len(group)} of {count} images look like one scene: cut into runs of consecutive names, so "
                f"that images to evaluate on are similar to some that are trained on"
            )
        else:
            cut.append(group)
    parts = split([p.labels for p in whole.pictures], cut, VALIDATION, seed)
    if not parts[1]:
        raise NanodetError(
            f"{whole.pictures[0].path.parent}: {count} image{'s are' if count > 1 else ' is'} too few to "
            f"split into a training and a validation set"
        )
    copies = sum(map(len, alike))
    how = f"split by nanodet init, seed {seed}"
    if copies:
        how += f"; {copies} images have near-duplicates, which are in the same part"
    return parts, how


def _of_one_source(paths: Sequence[Path]) -> list[list[int]]:
    """Return the groups of images that Roboflow made of one, such as rotated ones: ``a_jpg.rf.6b1c...``."""
    sources: dict[str, list[int]] = {}
    for n, path in enumerate(paths):
        if found := _AUGMENTED.fullmatch(path.stem):
            sources.setdefault(found[1], []).append(n)
    return [some for some in sources.values() if len(some) > 1]


def _split_of_folders(
    pictures: Sequence[Picture], folder: Path
) -> tuple[list[int], list[int]] | None:
    """Return the indices of the images in folders such as ``train`` and ``val``, None if there are none.

    Of three such folders, ``test`` is for neither.
    """
    parts: dict[str | None, list[int]] = {}
    for n, picture in enumerate(pictures):
        inside = os.path.relpath(picture.path.parent, folder)
        parts.setdefault(split_of(Path(inside).parts), []).append(n)
    val = parts.get("val") or parts.get("test")
    return None if None in parts or "train" not in parts or not val else (parts["train"], val)


def _list_text(pictures: Sequence[Picture], folder: Path) -> str:
    """Return the text of a list file: one name a line."""
    names = [picture.listed or str(picture.path.relative_to(folder)) for picture in pictures]
    for name, picture in zip(names, pictures, strict=True):
        if name.strip().splitlines() != [name] or not is_unicode(name):
            raise NanodetError(
                f"{picture.path}: its name has a line break, a blank at an end, or bytes that are not UTF-8, "
                f"which a list of images cannot hold: rename it"
            )
    return "".join(f"{name}\n" for name in names)


def _check_list(
    found: FoundSet, text: str, names: Sequence[str], reading: Reading, part: Sequence[Picture]
) -> None:
    """Raise `NanodetError` if a list does not select the images that it was made for."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "list.txt"
        write_text(file, text)
        try:
            listed = _read(
                dataclasses.replace(found, list_path=file), names, reading, lambda line: None
            ).pictures
            differ = {picture.path for picture in listed} ^ {picture.path for picture in part}
            example = str(min(differ, default=""))
        except NanodetError as error:  # of the list, which the user does not know
            example = re.sub(r"^line \d+: |; .*", "", str(error).removeprefix(f"{file}: "))
    if example:
        raise NanodetError(
            f"{found.annotations}: images cannot be told apart by their names, such as {example}: "
            f"give them different names, or put train and val into folders of their own"
        )


def _check_apart(train: Sequence[Picture], val: Sequence[Picture], place: FoundSet) -> None:
    """Raise `NanodetError` if an image is in both sets."""
    both = {str(one.path) for one in in_both(train, val)}
    if both:
        raise NanodetError(
            f"{place.list_path or place.annotations}: {counted(len(both), 'image')} to evaluate on, but also "
            f"to train on: {first_few(sorted(both))}; keep these in one of the sets only"
        )
