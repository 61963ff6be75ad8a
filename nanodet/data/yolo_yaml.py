"""The ``data.yaml`` of a YOLO data set: where its images are."""

from pathlib import Path
from typing import Any

from nanodet.data.assemble import read_text
from nanodet.errors import NanodetError
from nanodet.files.inputs import CLASS_NAMES
from nanodet.files.yaml_text import parse_yaml
from nanodet.text.brief import brief

YAML = (".yaml", ".yml")
_SPLITS = {"train": "train", "val": "val", "valid": "val", "test": "test"}


def yaml_sets(file: Path) -> dict[str, tuple[Path, Path | None]] | None:
    """Return the sets that a YAML file names.

    Paths are relative to its ``path``, or to its own folder if there is none, or nothing at the end of it.
    Roboflow writes ``../train/images`` for a folder beside the file.

    Returns:
        split (``train``, ``val`` or ``test``) to the folder of images and None, or to the folder in which
        images are to be searched and the text file that lists them; None if the file is no data.yaml.

    Raises:
        NanodetError: one of its paths does not exist, or is a list of several.
    """
    try:
        content = parse_yaml(read_text(file, CLASS_NAMES), file)
    except NanodetError:
        return None
    if not isinstance(content, dict) or "train" not in content or "data" in content:
        return None
    sets: dict[str, tuple[Path, Path | None]] = {}
    for key, split in _SPLITS.items():
        value = content.get(key)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if value in (None, "") or split in sets:
            continue
        if not isinstance(value, str):
            raise NanodetError(f"{file}: {key}: {brief(value)} is not one folder or text file")
        found = _find(value, content.get("path"), file, key)
        if found is None:
            continue
        root = _base(content.get("path"), file)
        sets[split] = (found, None) if found.is_dir() else (root, found)
        if found.is_dir() and (found / "images").is_dir():
            sets[split] = found / "images", None
    return sets


def _base(path: Any, file: Path) -> Path:
    """Return the folder of the data set: ``path``, by its end if it is that of another machine."""
    if isinstance(path, str) and path:
        parts = [part for part in path.replace("\\", "/").split("/") if part not in (".", "..")]
        ends = [Path(*parts[n:]) for n in range(len(parts)) if parts[n]]
        for folder in (file.parent / path, Path(path), *(file.parent / end for end in ends)):
            if folder.is_dir():
                return folder
    return file.parent


def _find(value: str, path: Any, file: Path, key: str) -> Path | None:
    """Return an existing folder or text file; None for a test set that was not exported."""
    parts = [part for part in value.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    ends = [Path(*parts[n:]) for n in range(len(parts))]
    root = _base(path, file)
    for place in (root / value, file.parent / value, *(root / end for end in ends)):
        if place.exists():
            return place
    if key == "test":
        return None
    raise NanodetError(f"{file}: {key}: there is no {brief(value)}")
