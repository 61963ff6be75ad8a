"""A device: how to have it run something, and how to copy files to it."""

import os
import shlex
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, Self

from nanodet.bench.line_process import LineProcess, LinkLost, Overrun
from nanodet.errors import NanodetError

COMMAND_S = 60.0  # for a command that takes a second
SLOWEST_LINK = 20_000  # bytes a second
BEGIN, END = "@nanodet begin", "@nanodet end"  # around what a script writes


@dataclass
class Done:
    """How a command on the device ended.

    Attributes:
        status: its exit status, 0..255.
        out: what it wrote.
        error: the last line of its errors.
    """

    status: int
    out: str
    error: str

    @property
    def said(self) -> str:
        """The last line of its errors, or its output, or its status where it said nothing."""
        lines = [line.strip() for line in self.out.splitlines() if line.strip()]
        return self.error or (lines[-1] if lines else f"status {self.status}")


class Device(ABC):
    """A machine on which programs can be run; a context manager that ends the link to it.

    What differs between kinds of device is in the sub-classes.

    Args:
        name: as the user wrote it, for messages.
        start: the command runner: a function like `subprocess.Popen`.
        root: the folder in which its ``sys`` lies; ``/``, or made up for a test.

    Attributes:
        raising: words that run a command of the device's shell as root, without asking.
        folder: where temporary folders are made; empty leaves it to the device.
        package: where the link's program comes from.
    """

    raising = ""
    folder = ""
    package = ""

    def __init__(
        self,
        name: str,
        start: Callable[..., subprocess.Popen[Any]] = subprocess.Popen,
        root: str = "/",
    ) -> None:
        self.name, self.root, self._start = name, root.rstrip("/"), start

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    @abstractmethod
    def words(self, script: str) -> list[str]:
        """Return the words of the local command that has the device's ``sh`` run a script."""

    @abstractmethod
    def push(self, local: str | os.PathLike[str], path: str) -> None:
        """Copy a file.

        Raises:
            NanodetError: it cannot be written there, or the link was lost.
        """

    @abstractmethod
    def explain(self, said: str) -> str:
        """Return what the link's program said last before it failed, and what helps."""

    @abstractmethod
    def lost(self, done: Done) -> bool:
        """Tell whether the link failed, and not the command that was `Done` over it."""

    def start(self, script: str) -> LineProcess:
        """Start a script on the device; its lines are those after what a login shell may print.

        Raises:
            NanodetError: it says too much before, or nothing at all.
        """
        end = time.monotonic() + COMMAND_S
        process = self._popen(self.words(f"echo; echo {BEGIN}\n{script}"), subprocess.PIPE)
        try:
            while process.line(end) not in (BEGIN, None):
                pass
        except BaseException as error:
            process.end()
            if isinstance(error, Overrun):
                raise NanodetError(f"{self.name}: the device {error}") from None
            raise
        return process

    def shell(
        self, script: str, stdin: int | IO[bytes] = subprocess.DEVNULL, seconds: float | None = None
    ) -> Done:
        """Run a script on the device to its end; return it `Done`.

        A login shell may print before and after it: ``out`` is what lies between two marks.

        Raises:
            LinkLost: it did not come to its end.
            NanodetError: it takes longer than ``seconds`` (None for `COMMAND_S`), or says too much.
        """
        marked = f"echo; echo {BEGIN}; {{ {script}\n}}; s=$?; echo; echo {END}; exit $s"
        done = self._run(self.words(marked), stdin, seconds)
        if self.lost(done):
            raise LinkLost(self.name, self.explain(done.said))
        return replace(done, out=done.out.partition(f"{BEGIN}\n")[2].rpartition(f"\n{END}")[0])

    def copy_seconds(self, local: str | os.PathLike[str]) -> float:
        """Return how long copying a file may take."""
        return COMMAND_S + os.path.getsize(local) / SLOWEST_LINK

    def _run(
        self,
        words: Sequence[str],
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        seconds: float | None = None,
    ) -> Done:
        """Run a local command to its end; return it `Done`."""
        end = time.monotonic() + (seconds or COMMAND_S)
        process, lines = self._popen(words, stdin), []
        try:
            while (line := process.line(end)) is not None:
                lines.append(line)
            status = process.wait(end)
        except Overrun as error:
            raise NanodetError(f"{self.name}: the device {error}") from None
        finally:
            process.end()
        return Done(status, "\n".join(lines), process.last_error())

    def _popen(self, words: Sequence[str], stdin: int | IO[bytes]) -> LineProcess:
        """Start a local command, out of reach of the terminal's Ctrl-C: we say how it ends."""
        pipe = subprocess.PIPE
        try:
            return LineProcess(
                self._start(words, stdin=stdin, stdout=pipe, stderr=pipe, start_new_session=True)
            )
        except FileNotFoundError:
            raise NanodetError(
                f"{self.name}: {words[0]} is not installed: {self.package}"
            ) from None


def quote(*words: object) -> str:
    """Return words as the device's shell has to see them."""
    return shlex.join(map(str, words))
