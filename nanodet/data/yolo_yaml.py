"""The ``data.yaml`` of a YOLO data set: where its images are."""

import os
from pathlib import Path
from typing import Any

from nanodet.data.formats.yolo_names import read_yaml
from nanodet.data.splits import SPLITS
from nanodet.errors import NanodetError
from nanodet.text.brief import brief

_KEYS = ("train", "val", "valid", "test")


def yaml_sets(file: Path) -> dict[str, tuple[Path, Path | None]] | None:
    """Return the sets that a YAML file names.

    Paths are relative to its ``path``, of which the end counts if it is one of another machine, or to its own
    folder. Roboflow writes ``../train/images`` for a folder beside the file.

    Returns:
        split (``train``, ``val`` or ``test``) to the folder of images and None, or to the folder in which
        images are to be searched and the text file that lists them; None if the file is no data.yaml.

    Raises:
        NanodetError: one of its paths does not exist, or is a list of several.
    """
    try:
        content = read_yaml(file)
    except NanodetError:
        return None
    if not isinstance(content, dict) or "train" not in content or "data" in content:
        return None
    root = _base(content.get("path"), file)
    sets: dict[str, tuple[Path, Path | None]] = {}
    for key in _KEYS:
        value, split = content.get(key), SPLITS[key]
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if value in (None, "") or split in sets:
            continue
        if not isinstance(value, str):
            raise NanodetError(f"{file}: {key}: {brief(value)} is not one folder or text file")
        found = _find(value, root, file, key)
        if found is None:
            continue
        sets[split] = (found, None) if found.is_dir() else (root, found)
        if found.is_dir() and (found / "images").is_dir():
            sets[split] = found / "images", None
    return sets


def _base(path: Any, file: Path) -> Path:
    """Return the folder of the data set: ``path``, by its end if it is that of another machine."""
    if isinstance(path, str) and path:
        ends = (file.parent / end for end in _ends(path))
        for folder in (file.parent / path, Path(path), *ends):
            if folder.is_dir():
                return folder
    return file.parent


def _ends(path: str) -> list[Path]:
    """Return what a path of another machine may be here: itself, without its first folder, and so on."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return [Path(*parts[n:]) for n in range(len(parts))]


def _find(value: str, root: Path, file: Path, key: str) -> Path | None:
    """Return an existing folder or text file; None for a test set that was not exported."""
    for place in (root / value, file.parent / value, *(root / end for end in _ends(value))):
        if os.path.exists(place):
            return place
    if key == "test":
        return None
    raise NanodetError(f"{file}: {key}: there is no {brief(value)}")
