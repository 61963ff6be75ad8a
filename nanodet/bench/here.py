"""Entries in processes of this machine, on the runtime in Python."""

import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from nanodet.bench.line_process import LineProcess
from nanodet.bench.machine import read_files
from nanodet.bench.plan import Entry
from nanodet.errors import NanodetError
from nanodet.files import StrPath


class Here:
    """A `nanodet.bench.turns.Session` of this machine, and the place that opens it.

    Args:
        picture: path of an image; None takes a generated one.
        config: config file of checkpoints that carry none.
    """

    is_here = True
    patience: float | None = None
    architecture, system = platform.machine(), f"{platform.system()} {platform.release()}"

    def __init__(self, picture: StrPath | None = None, config: StrPath | None = None) -> None:
        self._picture, self._config = picture, config

    def open(
        self, entries: Sequence[Entry], picture: StrPath | None = None
    ) -> AbstractContextManager["Here"]:
        """Return the session, a context manager, for an image."""
        return nullcontext(Here(picture, self._config))

    def read(self, patterns: Iterable[str]) -> dict[str, str]:
        """Return the machine's files, see `nanodet.bench.machine.read_files`."""
        return read_files(patterns)

    def start(self, entry: Entry) -> LineProcess:
        """Start the process of an entry."""
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "nanodet.bench.worker"]
        return LineProcess(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe))

    def order(self, entry: Entry) -> dict[str, Any]:
        """Return its first order, without the cores."""
        picture, config = (p and str(p) for p in (self._picture, self._config))
        return {
            "path": entry.path, "graph": entry.graph, "size": entry.size, "threads": entry.threads,
            "precision": entry.precision, "engine": entry.engine, "picture": picture, "config": config,
        }  # fmt: skip

    def error(self, text: str) -> NanodetError:
        """Return the error of a text of the process."""
        return NanodetError(text)
