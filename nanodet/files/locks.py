"""Locks that end with their process, however it ends."""

import contextlib
import errno
import os
import socket
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import IO

from nanodet.errors import NanodetError
from nanodet.files import StrPath

try:
    import fcntl
except ImportError:  # Windows: without locks
    fcntl = None  # type: ignore[assignment]

LOCK = ".nanodet-lock"


@contextlib.contextmanager
def locked(folder: StrPath) -> Iterator[bool]:
    """Lock ``folder`` against other processes that use this function, while the block runs.

    Args:
        folder: must exist; contains the lock file as long as the block runs.

    Yields:
        whether it is locked; some file systems have no locks.

    Raises:
        NanodetError: another process has locked it, or it cannot be written.
    """
    path = Path(folder) / LOCK
    try:
        file = _open_locked(path)
    except BlockingIOError as error:
        raise NanodetError(
            f"{folder}: is in use by {error.strerror}: wait until that has ended, or choose another folder"
        ) from None
    except OSError as error:
        raise NanodetError(f"{path}: cannot be written ({error.strerror})") from None
    if file is None:
        yield False
        return
    with file:
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)  # while it is still locked


def _open_locked(path: Path) -> FileIO | None:
    """Return the open lock file; None if the file system has no locks."""
    while fcntl is not None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        # unbuffered, so that closing it does not fail on a full disk
        file = open(os.open(path, flags, 0o666), "r+b", buffering=0)
        try:
            # of this process only: forked children do not inherit it, unlike those of flock
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # its previous owner may have removed it in the meantime
            if is_at(file, path):
                file.truncate(0)
                with contextlib.suppress(
                    OSError
                ):  # a full disk: then the lock does not name its process
                    file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
                return file
        except OSError as error:
            with file:
                if error.errno not in (errno.EACCES, errno.EAGAIN):
                    path.unlink(missing_ok=True)
                    return None
                file.seek(0)
                name = file.read(1000).decode("utf-8", "replace")
                raise BlockingIOError(error.errno, name or "another process") from None
        file.close()
    return None


def is_at(file: IO[bytes], path: StrPath) -> bool:
    """Return whether an open file still has the name ``path``: another process may have moved it."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def hold(handle: int | IO[bytes], wait: bool = True) -> bool:
    """Show other processes that an open file or folder is not abandoned, as long as it is open.

    Args:
        handle: the file, or its descriptor.
        wait: whether to wait for another process that is checking it.

    Returns:
        whether it is held.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def held(folder: StrPath) -> Iterator[None]:
    """Wait for ``folder``, and `hold` it while the block runs."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        hold(handle)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def held_if_soon(folder: StrPath, patience_s: float) -> Iterator[None]:
    """`hold` a folder while the block runs, if that is possible within ``patience_s``."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # it may be unreadable
        yield
        return
    try:
        until = time.monotonic() + patience_s
        while not hold(handle, wait=False) and time.monotonic() < until:
            time.sleep(0.001)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def abandoned(path: StrPath) -> Iterator[bool]:
    """Yield whether no living process holds ``path``, and prevent any from holding it in the block.

    Also false if that cannot be determined.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # it may be a FIFO
    except OSError:
        yield False
        return
    try:
        yield hold(handle, wait=False)
    finally:
        os.close(handle)
