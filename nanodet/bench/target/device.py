"""A device: how to have it run something, and how to copy files to it."""

import os
import shlex
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, Self

from nanodet.bench.target.limits import COMMAND_S, SLOWEST_LINK, Overrun, communicate
from nanodet.errors import NanodetError

BEGIN, END = "@nanodet begin", "@nanodet end"  # around what a script writes


class LinkLost(NanodetError):
    """The device cannot be reached any more; what it does then is its own affair, and done."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"{name}: the link was lost ({why}); the device by itself ends what runs there and "
            "removes its folder"
        )


@dataclass
class Done:
    """How a command on the device ended.

    Attributes:
        status: its exit status, 0..255.
        out, err: what it wrote.
    """

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The last line of its errors, or its status where it said nothing."""
        return last_line(self.err) or last_line(self.out) or f"status {self.status}"


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

    def start(self, script: str, **streams: Any) -> subprocess.Popen[Any]:
        """Start a script on the device; ``streams`` are those of `subprocess.Popen`.

        It is out of reach of the terminal's Ctrl-C: how it ends is for us to say.
        """
        return self._popen(self.words(script), start_new_session=True, **streams)

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
        pipe = subprocess.PIPE
        process = self._popen(words, stdin=stdin, stdout=pipe, stderr=pipe)
        try:
            out, err = communicate(process, seconds or COMMAND_S)
        except Overrun as error:
            raise NanodetError(f"{self.name}: the device {error}") from None
        return Done(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def _popen(self, words: Sequence[str], **streams: Any) -> subprocess.Popen[Any]:
        try:
            return self._start(words, **streams)
        except FileNotFoundError:
            raise NanodetError(
                f"{self.name}: {words[0]} is not installed: {self.package}"
            ) from None


def quote(*words: object) -> str:
    """Return words as the device's shell has to see them."""
    return shlex.join(map(str, words))


def last_line(text: str) -> str:
    """Return the last line of a text that is not empty, without line ends; else an empty text."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
