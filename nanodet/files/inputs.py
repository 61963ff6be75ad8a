"""Opens a user's files: only regular ones, and none larger than its kind can be.

A name may lead to anything: an endless device, a pipe without a writer, a sparse file of a terabyte.
Every reader opens its files here, so that each of these gives one line immediately.
"""

import errno
import os
import select
import stat
import time
from io import BufferedReader, RawIOBase
from typing import NamedTuple

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.incoming import published
from nanodet.text.brief import brief

STEP = 1 << 24  # bytes of a text that are read before they are checked
PATIENCE_S = 5.0  # to wait for a pipe, at its start and between its bytes
PIPE_S = 60.0  # that a pipe may take, and
SLOWEST = 4096  # bytes per second that it must deliver after that


class Kind(NamedTuple):
    """A kind of file: its name in messages, its largest size, and whether it may be a pipe.

    ``published``: whether it is also looked for where a killed command may have left it.
    """

    words: str
    most: int  # bytes, far above those of real ones
    piped: bool = False
    published: bool = False


CONFIG = Kind("this config", 2 << 20, piped=True, published=True)
SPEC = Kind("this spec", 64 << 20, published=True)
PARAM = Kind("this model", 64 << 20, published=True)
WEIGHTS = Kind("these weights", 1 << 30, published=True)
ONNX = Kind("this model", 2 << 30, published=True)  # protobuf's limit
CHECKPOINT = Kind("this checkpoint", 16 << 30)
PICTURE = Kind("this image", 1 << 30)
ANNOTATIONS = Kind("this annotation file", 16 << 30)  # of a whole set: Objects365 has 6 GB
ANNOTATION = Kind("this annotation", 8 << 20)  # of one image
ANNOTATION_WITH_IMAGE = Kind("this annotation", 512 << 20)  # LabelMe puts the image into it
LIST = Kind("this list", 1 << 30, piped=True)
CLASS_NAMES = Kind("this file of class names", 2 << 20)
METRICS = Kind("these metrics", 1 << 30)
PROGRAM = Kind("this program", 1 << 30)
ANY = Kind("this file", 16 << 30, published=True)


def open_input(path: StrPath, kind: Kind) -> BufferedReader:
    """Open a user's file for reading bytes.

    Args:
        path: the file; links are followed.
        kind: what it should be.

    Raises:
        NanodetError: it does not exist, cannot be read, is not a regular file, or is too large.
    """
    return open(_open(path, kind)[0], "rb")


def absence(path: StrPath, missing: str) -> str:
    """Return why there is no file at a path, for a message: "PATH: why".

    Args:
        missing: the reason if nothing is there, such as "there is no such model file".
    """
    try:
        mode = os.stat(path).st_mode
    except ValueError:  # NUL in the name
        return f"{path}: {missing}"
    except OSError as error:
        absent = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
        return f"{path}: {missing if absent else f'cannot be read ({error.strerror})'}"
    return f"{path}: " + (
        "is a folder" if stat.S_ISDIR(mode) else "is a device or a pipe, not a file"
    )


def read_bytes(path: StrPath, kind: Kind) -> bytes:
    """Return the bytes of a user's file, up to its stated size; see `open_input`."""
    handle, size = _open(path, kind)
    try:
        with open(handle, "rb", buffering=0) as file:
            return file.read(size) or b""  # None if it would have to wait
    except OSError as error:
        raise _unreadable(path, kind, error.strerror) from None


def read_text(path: StrPath, kind: Kind, encoding: str = "utf-8") -> str:
    """Return the text of a user's file, its lines ended by ``\\n``; see `open_input`.

    Waits for a pipe: `PATIENCE_S` for each of its parts, and `PIPE_S` in total, or as long as it
    delivers `SLOWEST` bytes per second on average.

    Raises:
        UnicodeDecodeError: not text: another encoding, or a NUL, after which nothing is read.
    """
    handle, size = _open(path, kind)
    try:
        with open(handle, "rb", buffering=0) as file:
            data = _read_pipe(file, path, kind) if size is None else _read(file, size)
        text = str(data, encoding)
    except MemoryError:
        raise _unreadable(path, kind, "this machine has too little memory for it") from None
    except OSError as error:
        raise _unreadable(path, kind, error.strerror) from None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # initially, a pipe has no writer yet
    _FLAGS |= getattr(os, _name, 0)


def _open(path: StrPath, kind: Kind) -> tuple[int, int | None]:
    """Return (descriptor, size in bytes) of a file that may be read; a pipe has no size."""
    if not isinstance(path, (str, bytes, os.PathLike)):  # os.open would copy whatever has bytes
        raise NanodetError(f"{brief(path)}: is not the name of a file")
    try:
        handle = os.open(published(path) if kind.published else path, _FLAGS)
    except OSError as error:
        raise _unreadable(path, kind, error.strerror) from None
    except ValueError as error:  # NUL in the name
        raise _unreadable(path, kind, error) from None
    found = os.fstat(handle)
    if kind.piped and stat.S_ISFIFO(found.st_mode):
        return handle, None
    reason = None
    if stat.S_ISDIR(found.st_mode):
        reason = "Is a directory"
    elif not stat.S_ISREG(found.st_mode):
        reason = "it is a device or a pipe, not a file"
    elif found.st_size > kind.most:
        reason = f"{found.st_size:,} bytes are too many, such files have {kind.most:,} at most"
    if reason is None:
        return handle, found.st_size
    os.close(handle)
    raise _unreadable(path, kind, reason)


def _read(file: RawIOBase, size: int) -> bytes:
    """Return a text file's bytes, checked while they are read."""
    chunks: list[bytes] = []
    while size > 0 and (chunk := file.read(min(size, STEP))):
        if b"\0" in chunk:
            data = b"".join([*chunks, chunk])
            start = data.index(0)
            raise UnicodeDecodeError("utf-8", data, start, start + 1, "NUL is no text")
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _read_pipe(file: RawIOBase, path: StrPath, kind: Kind) -> bytes | bytearray:
    data, began = bytearray(), time.monotonic()
    while select.select([file], [], [], PATIENCE_S)[0]:
        chunk = file.read(1 << 16)
        if not chunk:
            return data
        data += chunk
        if len(data) > kind.most:
            raise _unreadable(path, kind, f"more than {kind.most:,} bytes come out of this pipe")
        if time.monotonic() - began > PIPE_S + len(data) / SLOWEST:
            took = f"only {len(data):,} bytes came out of this pipe within {PIPE_S:g} s"
            raise _unreadable(path, kind, took)
    raise _unreadable(path, kind, f"nothing came out of this pipe within {PATIENCE_S:g} s")


def _unreadable(path: StrPath, kind: Kind, reason: object) -> NanodetError:
    return NanodetError(f"{path}: cannot read {kind.words} ({reason})")
