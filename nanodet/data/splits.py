"""The split (``train``, ``val``, ``test``) that names of files and folders mean."""

import re
from collections.abc import Sequence
from pathlib import Path

# words in the names of files and folders, and the split that they mean
SPLITS = {
    **dict.fromkeys(("train", "training", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# beside the split in the name of a list
_LIST_WORDS = {"list", "images", "set", "split", "files", "names"}


def list_split(file: Path) -> str | None:
    """Return the split of a list file by its name: ``train.txt``, ``val_list.txt``."""
    words = [word for word in _words(file.stem) if word not in _LIST_WORDS]
    return SPLITS.get(words[0]) if len(words) == 1 else None


def split_of(parts: Sequence[str]) -> str | None:
    """Return the split (``train``, ``val``, ``test``) that names of folders mean, the innermost first."""
    for part in reversed(parts):
        for word in _words(part):
            if word in SPLITS:
                return SPLITS[word]
    return None


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", name.lower())
