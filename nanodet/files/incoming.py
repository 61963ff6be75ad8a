"""Reads models where `nanodet.files.publish` has left them if it was killed.

A folder ``.incoming`` contains published files until they are moved to the folder that contains it.
As soon as it has that name, its files count instead of those with the same names outside. This module
moves and changes nothing: models are read where they are.

The folder may come from a stranger's archive, and files may have been added next to it since. So its
`MANIFEST` lists the files, each with the SHA-256 of the file that it replaces: a file that is not
listed, is a link, or would replace any other file does not count.
"""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.locks import held_if_soon

Loaded = TypeVar("Loaded")

INCOMING = ".incoming"
MANIFEST = ".published.json"
SUFFIXES = (".onnx", ".param", ".bin", ".json", ".yml", ".txt", ".log")  # of the published files
UNREADABLE = "unreadable"  # in the place of a SHA-256
_LONGEST = 1 << 20  # bytes of a manifest
_TRIES, _PATIENCE_S = 10, 1.0
_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # checked first: it may be a pipe
    _FLAGS |= getattr(os, _name, 0)


def published(path: StrPath) -> Path:
    """Return the actual `Path` of a file published at ``path``: there, or in `INCOMING`."""
    path = Path(os.fsdecode(path))
    try:
        parts = Path(os.path.abspath(path)).parts
        for depth in range(1, min(2, len(parts) - 1) + 1):  # next to models, or in a subfolder
            folder, name = Path(*parts[:-depth]), "/".join(parts[-depth:])
            replaced = read_manifest(folder)
            if replaced and name in replaced and still_counts(folder, name, replaced[name]):
                return folder / INCOMING / name
    except (OSError, ValueError):  # invalid names
        pass
    return path


def is_file(path: StrPath) -> bool:
    """Return whether there is a file at ``path``, or one that was published there."""
    # checked second: it may have been moved there in the meantime
    return os.path.isfile(published(path)) or os.path.isfile(path)


def files_in(folder: StrPath) -> list[Path]:
    """Return the sorted paths of everything that is in ``folder``, or was published there."""
    names = {path.name for path in Path(folder).iterdir()} if os.path.isdir(folder) else set()
    for base, inside in ((Path(folder), ""), (Path(folder).parent, Path(folder).name + "/")):
        for name in read_manifest(base) or ():
            own = name.removeprefix(inside)
            if name.startswith(inside) and "/" not in own and is_plain(base, name):
                names.add(own)
    return sorted(Path(folder) / name for name in names)


def read_steadily(path: StrPath, load: Callable[[], Loaded]) -> Loaded:
    """Return the result of ``load``, called again if the files of a model changed in the meantime.

    So another process may publish at any time, and the files that are read belong together.

    Args:
        path: the model file; those of the same stem with ``.bin`` and ``.json`` belong to it.
        load: opens it, and raises a `NanodetError` if that fails.

    Raises:
        NanodetError: of ``load``; or the files change again and again.
    """
    for turn in range(_TRIES):
        # one that publishes without end has to wait, but first nobody has
        quiet = (
            held_if_soon(Path(path).parent, _PATIENCE_S) if turn > 1 else contextlib.nullcontext()
        )
        with quiet:
            before, failure = _identity(path), None
            try:
                found = load()
            except (NanodetError, OSError) as error:
                failure = error
            if _identity(path) == before:
                if failure is not None:
                    raise failure
                return found
    raise NanodetError(f"{path}: is replaced again and again while it is read; try again later")


def read_manifest(folder: StrPath) -> dict[str, str | None] | None:
    """Return name to SHA-256 of what it replaces, for all that was published in `INCOMING`.

    A name is relative to ``folder``, its parts separated by ``/``. The value is None if the file
    replaces nothing; the result is None if there is no such folder with a manifest.
    """
    try:
        incoming = Path(folder) / INCOMING
        if not stat.S_ISDIR(os.lstat(incoming).st_mode):
            return None
        if not stat.S_ISREG(os.lstat(incoming / MANIFEST).st_mode):
            return None
        with open(os.open(incoming / MANIFEST, _FLAGS), "rb") as file:
            names = json.loads(file.read(_LONGEST))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(names, dict) or not all(map(may_be_published, names)):
        return None
    return names


def may_be_published(name: str) -> bool:
    """Return whether an export may write a file of this name, as in `read_manifest`."""
    parts = name.split("/")
    separators = "\\:" if os.name == "nt" else "\0"
    plain = all(part and part[0] != "." and not set(part) & set(separators) for part in parts)
    return plain and len(parts) <= 2 and Path(name).suffix in SUFFIXES


def is_plain(folder: StrPath, name: str) -> bool:
    """Return whether a published file is still in `INCOMING`, with no link in its path."""
    path = Path(folder) / INCOMING / name
    try:
        own = stat.S_ISREG(os.lstat(path).st_mode)
        return own and all(
            stat.S_ISDIR(os.lstat(parent).st_mode) for parent in path.parents[: name.count("/") + 1]
        )
    except (OSError, ValueError):
        return False


def still_counts(folder: StrPath, name: str, replaced: str | None) -> bool:
    """Return whether a file in `INCOMING` counts: the file that it replaces is unchanged, or gone."""
    return is_plain(folder, name) and digest(Path(folder) / name) in (None, replaced)


def digest(path: StrPath) -> str | None:
    """Return the SHA-256 of a file, `UNREADABLE` for anything else, None if nothing is there."""
    if not os.path.lexists(path):
        return None
    try:
        if stat.S_ISREG(os.stat(path).st_mode):
            with open(os.open(path, _FLAGS), "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        pass
    return UNREADABLE


def _identity(path: StrPath) -> list[tuple[Path, tuple[int, ...] | None]]:
    """Return a value that changes when a file of a model is replaced or moved."""
    found: list[tuple[Path, tuple[int, ...] | None]] = []
    for suffix in (Path(path).suffix, ".bin", ".json"):
        try:
            file = published(Path(path).with_suffix(suffix))
            status = os.stat(file)
            own = status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns
        except (OSError, ValueError):
            own = None
        found.append((file, own))
    return found
