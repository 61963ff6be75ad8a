"""Many files that take their places in a folder all at once, or not at all.

They are made in a folder of their own inside that folder. Its renaming to `INCOMING` is the one
instant at which the new files replace the earlier ones: from then on what lies there counts, and
what has the same name outside does not. Then they are moved out: by the one that made them and, had
that been killed, by the next that publishes in the folder. Who looks at models reads them where they
lie, see `nanodet.files.incoming`.
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
    """Yield a new folder inside ``out`` for files that `publish` moves out; it is gone afterwards.

    Those that killed processes left behind are removed, and what they published is moved out first.

    Args:
        out: a folder; made if need be, and removed again where nothing was published.

    Raises:
        NanodetError: ``out`` cannot be made or written, or something else is in the way.
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
        with contextlib.suppress(OSError):  # something is in it
            for folder in made:
                os.rmdir(folder)


def check_publishable(out: StrPath, *names: str) -> None:
    """Raise early the `NanodetError` of `working_folder` and of `publish` for files of these names.

    A folder that is not there is not made.
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
    """Let no other process publish in ``out`` while the block looks at what lies there and publishes."""
    with held(out):  # itself: a lock file would stay behind where this is killed
        _finish(Path(out))
        yield


def publish(work: StrPath, out: StrPath) -> None:
    """Let all files below ``work`` replace those of the same names below ``out``, in one instant.

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
    """Move published files to where they belong, if a killed process has left any in ``out``.

    What was put in the place of one since then stays, and a line says so.

    Raises:
        NanodetError: they cannot be moved, or are no such files.
        OSError: ``out`` cannot be opened.
    """
    if os.path.lexists(Path(out) / INCOMING):
        with publishing(out):
            pass


def _finish(out: Path) -> None:
    incoming = out / INCOMING
    with contextlib.suppress(OSError):
        os.rmdir(incoming)  # the last step was all that was left
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
    """Move files out of `INCOMING`, those that do not count aside; several processes may do so."""
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
    """Remove the emptied folder, and what systems put into folders unasked, such as .DS_Store."""
    with contextlib.suppress(OSError):  # something else is in it, or another process was faster
        for folder, _, files in os.walk(incoming, topdown=False):
            for name in files:
                if name.startswith(".") and (folder, name) != (os.fspath(incoming), MANIFEST):
                    os.unlink(os.path.join(folder, name))
            if folder != os.fspath(incoming):
                os.rmdir(folder)
        if os.listdir(incoming) == [MANIFEST]:
            os.unlink(incoming / MANIFEST)  # last: without it all of it would be a stranger's
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
