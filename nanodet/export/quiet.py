"""Keeps what converters print away from the user, and finds the line that says what went wrong."""

import contextlib
import io
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import IO

from nanodet.errors import NanodetError
from nanodet.files.files import DISK_ERRORS

_TELLING = re.compile(r"error|fail|unsupported|not supported|invalid|expect|cannot|abort", re.I)


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Name a stage of the export: swallow its output, turn its exceptions into one line.

    The file descriptors 1 and 2 are caught too, because C++ libraries write past ``sys.stdout``.

    Raises:
        NanodetError: ``<name>: <why>``, for whatever went wrong inside.
    """
    with tempfile.TemporaryFile() as sink, _caught(sink), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except NanodetError as error:
            raise NanodetError(f"export: {name}: {error}") from None
        except OSError as error:
            if error.errno in DISK_ERRORS:  # no fault of this stage: nothing can be written
                raise
            raise NanodetError(f"export: {name}: {error}") from error
        except Exception as error:  # converters raise classes of their own, without a common base
            why = decisive_line(f"{error}\n") or type(error).__name__
            raise NanodetError(f"export: {name}: {type(error).__name__}: {why}") from error


@contextlib.contextmanager
def _caught(sink: IO[bytes]) -> Iterator[None]:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kept = [(number, os.dup(number)) for number in (1, 2)]
    nowhere = io.StringIO()  # a notebook's or a test's streams are not those of the process
    try:
        for number, _ in kept:
            os.dup2(sink.fileno(), number)
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)


def decisive_line(text: str) -> str:
    """Return the first line that sounds like a complaint, else the last one that is not empty."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    return (telling or lines[-1:] or [""])[0][:300]
