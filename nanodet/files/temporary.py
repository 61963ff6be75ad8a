"""Temporary files and folders that do not outlive their process for long, however it ends.

Each is held while its process lives, see `nanodet.files.locks`. Those of killed processes are removed
by the next process that creates one in the same folder; the C++ programs name and hold theirs in the
same way.
"""

import atexit
import contextlib
import functools
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from nanodet.files import StrPath
from nanodet.files.locks import abandoned, hold

TEMPORARY = ".nanodet-tmp-"  # prefix of their names
LONGEST_SCRATCH = 70  # bytes; /pymp-.../listener-... is added, and systems allow about 104
_TEMPORARY = re.compile(rf"{re.escape(TEMPORARY)}\w{{8}}(\..*)?", re.ASCII | re.DOTALL)
_cleared: set[str] = set()  # folders, by this process


@contextlib.contextmanager
def temporary_file(folder: StrPath, suffix: str = "") -> Iterator[Path]:
    """Yield the path of a new, empty file in ``folder``, which is removed afterwards.

    Its permissions are those of any new file there.

    Raises:
        OSError: it cannot be created.
    """
    with _held(folder, _make_file, suffix) as path:
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def temporary_folder(folder: StrPath | None = None) -> Iterator[Path]:
    """Yield the path of a new folder in ``folder``, which is removed afterwards.

    Args:
        folder: None for the system's temporary folder, in which only this user has access.

    Raises:
        OSError: it cannot be created.
    """
    mode = 0o700 if folder is None else 0o777
    folder = tempfile.gettempdir() if folder is None else folder
    with _held(folder, lambda path: os.mkdir(path, mode)) as path:
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def remove_abandoned(folder: StrPath) -> None:
    """Remove the temporary files and folders of killed processes in ``folder``."""
    # a writable folder may be unreadable
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name) and _is_ours(entry):
                _remove_if_abandoned(entry)


def _is_ours(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):
        status = entry.stat(follow_symlinks=False)
        plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        return plain and (os.name == "nt" or status.st_uid == os.geteuid())
    return False


def _remove_if_abandoned(entry: os.DirEntry[str]) -> None:
    with abandoned(entry.path) as really, contextlib.suppress(OSError):
        if really and entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        elif really:
            os.unlink(entry.path)


def _make_file(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


@contextlib.contextmanager
def _held(folder: StrPath, make: Callable[[Path], None], suffix: str = "") -> Iterator[Path]:
    """Create a file or folder in ``folder`` with ``make``, hold it, and yield its path."""
    folder = os.path.abspath(folder)
    if folder not in _cleared:  # once: there may be 20,000 images to write
        _cleared.add(folder)
        remove_abandoned(folder)
    while True:
        path = Path(folder, f"{TEMPORARY}{secrets.token_hex(4)}{suffix}")
        try:
            make(path)
        except FileExistsError:
            continue
        with contextlib.ExitStack() as handles:
            if os.name != "nt":  # there, open files cannot be renamed
                try:
                    handle = os.open(path, os.O_RDONLY)
                except FileNotFoundError:
                    continue  # another process removed it before it was held
                handles.callback(os.close, handle)
                hold(handle)
                if not os.path.lexists(path):
                    continue
            yield path
            return


@functools.cache  # a second training in a process needs no folder in that of the first
def own_scratch() -> None:
    """From now on, remove Python's temporary files with this process, including sockets of its workers.

    They are created in a separate folder, unless its path is too long for sockets in it.
    """
    with contextlib.suppress(OSError), contextlib.ExitStack() as files:
        folder = os.fspath(files.enter_context(temporary_folder()))
        if len(os.fsencode(folder)) <= LONGEST_SCRATCH:
            tempfile.tempdir = os.environ["TMPDIR"] = folder
            atexit.register(files.pop_all().close)
