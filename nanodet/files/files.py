"""Writes files completely or not at all, and computes their hashes."""

import contextlib
import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import ANY, Kind, open_input
from nanodet.files.temporary import temporary_file

# errors that concern the folder, not a single file
DISK_ERRORS = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS")
    if hasattr(errno, name)
}
PROBE = 1 << 16  # bytes


@contextlib.contextmanager
def replacing(path: StrPath) -> Iterator[Path]:
    """Yield a temporary path next to ``path``; on success the file replaces ``path``.

    The temporary name keeps the suffix, for writers that choose a format by it. On any
    exception the temporary file is removed and ``path`` is unchanged. Temporary files of killed
    processes in the folder are removed as well, see `nanodet.files.temporary`.

    Raises:
        NanodetError: the folder cannot be created or written.
    """
    path = Path(path)
    if path.is_symlink():
        path = real_path(path)  # the link stays, and points to the new file
    make_folder(path.parent)
    try:
        with temporary_file(path.parent, path.suffix) as temporary:
            yield temporary
            os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: StrPath, error: OSError) -> NanodetError:
    """Return the `NanodetError` for an `OSError` while creating ``path``, a file or folder."""
    name = error.filename2 or error.filename
    if isinstance(name, str | os.PathLike) and Path(path).parent not in Path(name).parents:
        path = name  # such as the system's temporary folder
    return NanodetError(f"{path}: cannot be written ({error.strerror or error})")


def real_path(path: StrPath) -> Path:
    """Return the `Path` that links lead to; for a link to itself any path, which cannot be opened.

    `Path.resolve` raises a RuntimeError for such links before Python 3.13.
    """
    return Path(os.path.realpath(path))


def write_text(path: StrPath, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, completely or not at all; devices and pipes are not replaced."""
    data = text.encode("utf-8", "replace")  # file names may not be valid text
    if _is_special(path):
        try:
            Path(path).write_bytes(data)
        except OSError as error:
            raise NanodetError(f"{path}: cannot be written ({error.strerror})") from None
        return
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _is_special(path: StrPath) -> bool:
    """Return whether ``path`` exists, but is neither a file nor a folder."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def make_folder(path: StrPath) -> None:
    """Create the folder ``path`` and its parents.

    Raises:
        NanodetError: it cannot be created, or is a file.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NanodetError(f"{path}: cannot make this folder ({error.strerror})") from None
    if not os.access(path, os.W_OK):
        raise NanodetError(f"{path}: this folder cannot be written to")


def check_folder_writable(path: StrPath) -> None:
    """Raise `NanodetError` unless files could be written into the folder ``path``.

    It need not exist, and is not created.
    """
    there = next(f for f in (Path(path), *Path(path).absolute().parents) if os.path.exists(f))
    if not there.is_dir():
        raise NanodetError(f"{path}: cannot make this folder ({there} is a file)")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise NanodetError(f"{path}: cannot be written to ({error.strerror})") from None


def check_space(folder: StrPath) -> None:
    """Write a small file into ``folder`` and remove it: for programs and libraries that fail silently.

    Raises:
        OSError: it names the folder.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None


def check_writable(path: StrPath) -> None:
    """Raise `NanodetError` unless a file at ``path`` could be written; leaves nothing behind."""
    if Path(path).is_dir():
        raise NanodetError(f"{path}: is a folder, not a file to write")
    if _is_special(path):
        if not os.access(path, os.W_OK):
            raise NanodetError(f"{path}: cannot be written to")
        return
    check_folder_writable(Path(path).parent)


def text_name(path: StrPath) -> str:
    """Return ``path`` as text for libraries that open files by names alone.

    Raises:
        NanodetError: it contains bytes that are not text, on which some libraries end the process.
    """
    name = str(path)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        way_on = "rename it" if encoding == "utf-8" else "set PYTHONUTF8=1, or rename it"
        raise NanodetError(f"{name}: this name is no text in {encoding}; {way_on}") from None
    return name


def sha256(path: StrPath, kind: Kind = ANY) -> str:
    """Return the SHA-256 of the file at ``path`` as 64 hexadecimal digits.

    Raises:
        NanodetError: as `nanodet.files.inputs.open_input`; ``kind`` is what it should be.
    """
    with open_input(path, kind) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
