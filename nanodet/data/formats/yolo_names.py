"""The files near YOLO's labels that describe them: class names, and the form of keypoints."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nanodet.data.assemble import checked_names, read_text
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.files.files import real_path
from nanodet.files.inputs import CLASS_NAMES
from nanodet.files.yaml_text import parse_yaml
from nanodet.text.brief import brief
from nanodet.text.names import levelled, shortened

YAML = (".yaml", ".yml")
_NUMBER = re.compile(r"\d{1,9}")
ABOVE = 3  # folders: data.yaml may be three above labels/train/camera
NAME_FILES = ("data.yaml", "classes.txt", "obj.names")
_OTHER_NAME_FILES = ("*.yaml", "*.yml", "*.names")  # used if none of those exists


def find_class_names(
    ann_path: Path, class_names: Sequence[str] | None, reading: Reading, notes: list[str]
) -> tuple[Path, Sequence[str]]:
    """Return the class names of the numbers, and the file that defines them.

    Args:
        ann_path: the folder of text files; it and the three folders above it are searched.
        class_names: used, with a note, if no file has names; if several have, the first that shares a
            name with them is used.
        reading: the `nanodet.data.reading.Reading`, which says where ``class_names`` come from.
        notes: gets a line if no file has names, or if files disagree.

    Returns:
        (file, names); the folder in place of the file if the names are ``class_names``.

    Raises:
        NanodetError: there are no names.
    """
    near = _near(ann_path)
    files = [folder / name for folder in near for name in NAME_FILES if (folder / name).is_file()]
    if not files:
        files = [file for folder in near for file in _other_name_files(folder)]
    lists = _lists(files)
    if lists:
        file = next(
            (f for f, names in lists.items() if _share(names, class_names)), next(iter(lists))
        )
        names = checked_names(lists[file], file)
        _tell_others(file, names, lists, notes)
        return file, names
    sought = f"{', '.join(NAME_FILES[:-1])} or {NAME_FILES[-1]}"
    if class_names is not None:
        notes.append(
            f"{ann_path}: no {sought} near it says what its class numbers mean: taken as numbered in "
            f"{reading.names_of} ({shortened(class_names)})"
        )
        return ann_path, class_names
    if files:
        raise NanodetError(f"{files[0]}: has no class names")
    # nanodet init has no config yet
    config = "" if reading.place == "--" else "set class_names in the config, or "
    raise NanodetError(f"{ann_path}: no class names: {config}put {sought} next to the annotations")


def find_keypoint_shape(ann_path: Path, names_file: Path) -> tuple[int, int] | None:
    """Return (number, values each) from ``kpt_shape`` of a YAML file, None if there is none."""
    files = [folder / "data.yaml" for folder in _near(ann_path)]
    files += [names_file] if names_file.suffix in YAML else []
    file = next((file for file in files if file.is_file()), None)
    try:
        content = None if file is None else read_yaml(file)
    except NanodetError:
        if file == names_file:
            raise
        return None  # nor is it read for names
    shape = content.get("kpt_shape") if isinstance(content, dict) else None
    if shape is None:
        return None
    if not (isinstance(shape, list) and [type(v) for v in shape] == [int, int]):
        raise NanodetError(f"{file}: kpt_shape {brief(shape)} is not [number, 2 or 3]")
    return tuple(shape)


def _near(ann_path: Path) -> list[Path]:
    """Return the folders that are searched for files about the labels."""
    given, real = ann_path.absolute(), real_path(ann_path)  # a link may point outside the data set
    return list(dict.fromkeys([ann_path, *given.parents[:ABOVE], *real.parents[:ABOVE]]))


def read_yaml(file: Path) -> Any:
    """Return the content of a YAML file that describes labels."""
    return parse_yaml(read_text(file, CLASS_NAMES), file)


def _other_name_files(folder: Path) -> list[Path]:
    """Return the files of a folder that contain class names, but have an unusual name."""
    found = []
    for file in sorted(file for pattern in _OTHER_NAME_FILES for file in folder.glob(pattern)):
        try:
            if file.is_file() and names_in(file):
                found.append(file)
        except NanodetError:
            continue  # not ours
    return found


def _lists(files: Iterable[Path]) -> dict[Path, list[Any]]:
    """Return {file: its names} of the files that have any, the nearest first."""
    found: dict[Path, list[Any]] = {}
    for file in files:
        try:
            names = names_in(file)
        except NanodetError:
            if not found:
                raise
            continue  # a nearer file defines the numbers
        if names:
            found[file] = names
    return found


def _tell_others(
    chosen: Path, names: Sequence[str], lists: Mapping[Path, Sequence[Any]], notes: list[str]
) -> None:
    """Add a line if a file other than the chosen one has different names, or a different order."""
    for file, others in lists.items():
        if [levelled(name) for name in others] != [levelled(name) for name in names]:
            notes.append(
                f"{chosen}: says what the class numbers mean ({shortened(names)}), though {file} has "
                f"{shortened(others)}"
            )
            return


def names_in(file: Path) -> list[Any] | None:
    """Return the names in a file (``data.yaml``, or one per line), None if it has none."""
    if file.suffix not in YAML:
        text = read_text(file, CLASS_NAMES)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return _without_numbers(lines) or None
    content = read_yaml(file)
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        names = {int(n) if _NUMBER.fullmatch(str(n)) else n: name for n, name in names.items()}
        if set(names) != set(range(len(names))):
            raise NanodetError(f"{file}: the keys of 'names' are not 0, 1, ...")
        names = [names[n] for n in range(len(names))]
    if not (names is None or isinstance(names, list)):
        raise NanodetError(f"{file}: 'names' is not a list, such as [cat, dog]: {brief(names)}")
    return names or None


def _share(names: Iterable[Any], wanted: Iterable[str] | None) -> bool:
    """Return whether two lists have a name in common."""
    known = {levelled(name) for name in wanted or ()}
    return any(levelled(name) in known for name in names)


def _without_numbers(names: list[str]) -> list[str]:
    """Return the names of lines such as ``0: disc``, if all lines are numbered correctly."""
    parts = [re.fullmatch(r"(\d{1,9})\s*[:.)]\s*(.+)", name) for name in names]
    numbered = [part[2] for n, part in enumerate(parts) if part and int(part[1]) == n]
    return numbered if len(numbered) == len(names) else names
