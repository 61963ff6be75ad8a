"""Standard output and error of a command, whatever they are: terminal, log, full disk, closed."""

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from nanodet.cli.terminal import shown
from nanodet.errors import NanodetError


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """Let a command print: letters that a stream cannot encode are escaped, as ``\\u65b9``.

    Class names, names of files and texts of servers hold any letter, also bytes that are none;
    terminals and pipes have the encoding of their locale, or of a Windows code page. What would
    steer a terminal is escaped, too, see `nanodet.cli.terminal`. What cannot be written to standard
    error, where progress and remarks go, is dropped; so is what nobody reads any more, in a pipe
    into ``head``: a command's files and status count without it.

    Raises:
        NanodetError: by a print, standard output cannot be written.
    """
    _occupy()
    streams = sys.stdout, sys.stderr
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)  # notebooks have streams of their own
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    with (
        contextlib.redirect_stdout(_Output(sys.stdout)),
        contextlib.redirect_stderr(_Stream(sys.stderr)),
    ):
        try:
            yield
        finally:
            for stream in streams:
                _empty(stream)


def _occupy() -> None:
    """Open the null device where a stream is closed: else a file opened later takes its number.

    What a library then writes to number 2 would land in that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, this one
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")


def _empty(stream: TextIO) -> None:
    """Drop what cannot be written: Python would try again when it ends, and show a traceback."""
    try:
        stream.flush()
    except OSError:
        with contextlib.suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


class _Stream:
    """A text stream that escapes what would steer a terminal; what it cannot write is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(shown(text, self._stream.isatty()))
        except OSError as error:
            self._failed(error)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        pass


class _Output(_Stream):
    """A text stream that says when it cannot write."""

    def _failed(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            return _empty(self._stream)  # at once: it would keep what comes and try again
        if error.errno == errno.EIO and stat.S_ISCHR(os.fstat(self._stream.fileno()).st_mode):
            return  # a terminal that was closed: SIGHUP ends this, if anything does
        raise NanodetError(f"standard output: cannot be written ({error.strerror})") from None
