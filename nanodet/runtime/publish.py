"""Many files that take their places in a folder all at once, or not at all.

They are made in a folder of their own inside that folder. Its renaming to `INCOMING` is the one
instant at which the new files replace the earlier ones: from then on what lies there counts, and
what has the same name outside does not. Whoever comes by moves the files out: the one that made
them, and, had that been killed, the next that opens a model there or publishes others. Who may not
write there, as the C++ library, reads them where they lie.
"""

import contextlib
import os
from pathlib import Path

from nanodet.errors import NanodetError
from nanodet.runtime.files import make_folder, unwritable
from nanodet.runtime.locks import held
from nanodet.runtime.temporary import temporary_folder

INCOMING = ".incoming"


@contextlib.contextmanager
def working_folder(out):
    """Yield a new folder inside ``out`` for files that `publish` moves out; it is gone afterwards.

    Those that killed processes left behind are removed.

    Args:
        out: a folder; made if need be.

    Raises:
        NanodetError: ``out`` cannot be made or written.
    """
    make_folder(out)
    try:
        with temporary_folder(out) as work:
            yield work
    except OSError as error:
        raise unwritable(out, error) from None


@contextlib.contextmanager
def publishing(out):
    """Let no other process publish in ``out`` while the block looks at what lies there and publishes."""
    with held(out):  # itself: a lock file would stay behind where this is killed
        finish_publishing(out)
        yield


def publish(work, out):
    """Let all files below ``work`` replace those of the same names below ``out``, in one instant.

    Args:
        work: a folder inside ``out``, see `working_folder`; no name in it begins with a dot.
        out: the folder, within `publishing`.

    Raises:
        NanodetError: a folder is in the way, or ``out`` cannot be written; nothing is replaced.
    """
    try:
        for path in _files(work):
            target = Path(out) / path.relative_to(work)
            if target.is_dir():
                raise NanodetError(f"{target}: is a folder; a file of this name is to be written")
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        os.rename(work, Path(out) / INCOMING)
    except OSError as error:
        raise unwritable(out, error) from None
    finish_publishing(out)


def finish_publishing(out):
    """Move published files to where they belong, if a killed process has left any in ``out``.

    Several processes may do so at once.

    Raises:
        NanodetError: they cannot be moved.
    """
    incoming = Path(out) / INCOMING
    if not os.path.isdir(incoming):
        return
    try:
        for path in _files(incoming):
            target = Path(out) / path.relative_to(incoming)
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                os.replace(path, target)
        for folder, _, _ in os.walk(incoming, topdown=False):
            with contextlib.suppress(OSError):  # filled again, or gone
                os.rmdir(folder)
    except OSError as error:
        raise NanodetError(
            f"{incoming}: holds files of an interrupted command that belong into {out}, and they "
            f"cannot be moved there ({error.strerror or error})"
        ) from None


def published(path):
    """Return the `Path` where a file lies that `publish` was to put at ``path``: there, or `INCOMING`.

    The latter where whoever comes by may not move it, as on a medium that cannot be written.
    """
    incoming = Path(path).parent / INCOMING / Path(path).name
    return incoming if os.path.isfile(incoming) else Path(path)


def _files(folder):
    """Return the files below ``folder``, but not .bashrc: it may have come in a stranger's archive."""
    found = sorted(path for path in Path(folder).rglob("*") if not path.is_dir())
    return [
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
