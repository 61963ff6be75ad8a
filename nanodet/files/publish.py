"""Replaces many files of a folder at once, or not at all.

The new files are created in a separate folder inside that folder. When it is renamed to `INCOMING`,
the new files replace the earlier ones at one instant: from then on the files in it count, and those
with the same names outside do not. Then they are moved out, by the process that created them or, if
that is killed, by the next one that publishes in the folder. Readers find the files in either place,
see `nanodet.files.incoming`.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import check_folder_writable, make_folder, unwritable
from nanodet.files.incoming import (
    INCOMING,
    MANIFEST,
    digest,
    is_plain,
    may_be_published,
    read_manifest,
    still_counts,
)
from nanodet.files.locks import held
from nanodet.files.temporary import temporary_folder
from nanodet.text.printable import say


@contextlib.contextmanager
def working_folder(out: StrPath) -> Iterator[Path]:
    """Yield a new folder inside ``out`` for files that `publish` moves out; it is removed afterwards.

    First, folders of killed processes are removed, and files that they published are moved out.

    Args:
        out: a folder; created if necessary, and removed again if nothing was published.

    Raises:
        NanodetError: ``out`` cannot be created or written, or something is in the way.
    """
    made = [folder for folder in (Path(out), *Path(out).parents) if not os.path.lexists(folder)]
    try:
        make_folder(out)
        finish_publishing(out)
        with temporary_folder(out) as work:
            yield work
    except OSError as error:
        raise unwritable(out, error) from None
    finally:
        with contextlib.suppress(OSError):  # it is not empty
            for folder in made:
                os.rmdir(folder)


def check_publishable(out: StrPath, *names: str) -> None:
    """Raise the `NanodetError` that `working_folder` or `publish` would raise for these names.

    A missing folder is not created.
    """
    check_folder_writable(out)
    if os.path.isdir(out):
        try:
            finish_publishing(out)
        except OSError as error:
            raise unwritable(out, error) from None
    for name in names:
        _check_place(Path(out), name)


@contextlib.contextmanager
def publishing(out: StrPath) -> Iterator[None]:
    """Keep other processes from publishing in ``out`` while the block checks its contents and publishes."""
    with held(out):  # the folder itself: a lock file would remain if this process is killed
        _finish(Path(out))
        yield


def publish(work: StrPath, out: StrPath) -> None:
    """Replace files below ``out`` by all files below ``work``, at one instant.

    Args:
        work: a folder inside ``out``, see `working_folder`.
        out: the folder, within `publishing`.

    Raises:
        NanodetError: a folder is in the way, or ``out`` cannot be written; nothing is replaced.
    """
    work, out = Path(work), Path(out)
    try:
        replaced = {}
        for path in sorted(path for path in work.rglob("*") if not path.is_dir()):
            name = path.relative_to(work).as_posix()
            _check_place(out, name)
            _flush(path)
            replaced[name] = digest(out / name)
        (work / MANIFEST).write_text(json.dumps(replaced), encoding="utf-8")
        _flush(work / MANIFEST)
        os.rename(work, out / INCOMING)
    except OSError as error:
        raise unwritable(out, error) from None
    _move_out(out, replaced, lambda name: True)
    _clear(out / INCOMING)


def finish_publishing(out: StrPath) -> None:
    """Move published files to their final places, if a killed process has left any in ``out``.

    A file that has since been put in such a place stays, and a line says so.

    Raises:
        NanodetError: they cannot be moved, or are not such files.
        OSError: ``out`` cannot be opened.
    """
    if os.path.lexists(Path(out) / INCOMING):
        with publishing(out):
            pass


def _finish(out: Path) -> None:
    incoming = out / INCOMING
    with contextlib.suppress(OSError):
        os.rmdir(incoming)  # only the last step was missing
    if not os.path.lexists(incoming):
        return
    replaced = read_manifest(out)
    if replaced is None or not _is_ours(incoming):
        raise NanodetError(
            f"{incoming}: is in the way of new files, and is not what an interrupted command of yours "
            "left there; remove or rename it"
        )
    for name in replaced:
        if (out / name).parent.is_symlink() and is_plain(out, name):
            raise NanodetError(
                f"{(out / name).parent}: is a link, through which no files of an interrupted command "
                f"are moved; remove it, or {incoming}"
            )
    _move_out(out, replaced, lambda name: still_counts(out, name, replaced[name]))
    _clear(incoming)
    if os.path.lexists(incoming):
        left = next((path for path in incoming.rglob("*") if not path.is_dir()), incoming)
        raise NanodetError(
            f"{left}: is in the way of new files, and no command left it there; move it elsewhere"
        )


def _move_out(out: Path, names: Iterable[str], counts: Callable[[str], bool]) -> None:
    """Move files out of `INCOMING`, and invalid ones aside; several processes may do so at once."""
    incoming = out / INCOMING
    try:
        for name in names:
            target = out / name
            if not is_plain(out, name):
                continue
            target.parent.mkdir(exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                if counts(name):
                    os.replace(incoming / name, target)
                elif is_plain(out, name):
                    say(
                        f"nanodet: warning: {target}: stays, as it was put there after an interrupted "
                        f"command had written another",
                        file=sys.stderr,
                    )
                    os.unlink(incoming / name)
    except OSError as error:
        raise NanodetError(
            f"{incoming}: holds files of an interrupted command that belong into {out}, and they "
            f"cannot be moved there ({error.strerror or error})"
        ) from None


def _clear(incoming: Path) -> None:
    """Remove the empty folder, and files that systems create by themselves, such as .DS_Store."""
    with contextlib.suppress(OSError):  # it is not empty, or another process was faster
        for folder, _, files in os.walk(incoming, topdown=False):
            for name in files:
                if name.startswith(".") and (folder, name) != (os.fspath(incoming), MANIFEST):
                    os.unlink(os.path.join(folder, name))
            if folder != os.fspath(incoming):
                os.rmdir(folder)
        if os.listdir(incoming) == [MANIFEST]:
            os.unlink(
                incoming / MANIFEST
            )  # last, because without it the other files would be untrusted
        os.rmdir(incoming)


def _is_ours(incoming: Path) -> bool:
    return os.name == "nt" or os.lstat(incoming).st_uid == os.geteuid()


def _check_place(out: Path, name: str) -> None:
    target = out / name
    if not may_be_published(name):
        raise NanodetError(f"{target}: a model's file cannot have this name")
    if target.is_dir():
        raise NanodetError(f"{target}: is a folder; a file of this name is to be written")
    if os.path.lexists(target.parent) and not target.parent.is_dir():
        raise NanodetError(f"{target.parent}: is a file; a folder of this name is to be made")


def _flush(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
