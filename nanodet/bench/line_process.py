"""A process with which one speaks in lines.

One on a device may be broken, or somebody's joke: how much it may say, and how long it may take, is
limited.
"""

import contextlib
import queue
import subprocess
import threading
import time
from collections.abc import Callable

from nanodet.errors import NanodetError

MOST_BYTES = 8 << 20  # of output after an order; a reply has some 100 kB
LINE_BYTES = 64  # that a line costs here besides
MOST_ERRORS = 1 << 20


class LinkLost(NanodetError):
    """The device cannot be reached any more; what it does then is its own affair, and done."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"{name}: the link was lost ({why}); the device by itself ends what runs there and "
            "removes its folder"
        )


class Overrun(Exception):
    """A process says too much or takes too long."""


class LineProcess:
    """Reads a process's output and errors in the background.

    Args:
        process: a `subprocess.Popen` in binary mode, with pipes for output and errors.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._lock = process, threading.Lock()
        self._said, self._allowed, self._last_error = 0, MOST_BYTES, ""
        self._lines: queue.SimpleQueue[str | Overrun | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        readers: tuple[Callable[[], None], ...] = (self._read_output, self._read_errors)
        self._readers = [threading.Thread(target=read, daemon=True) for read in readers]
        for reader in self._readers:
            reader.start()

    def send(self, line: str, expects: bool = True) -> None:
        """Write a line to its input; that it has ended shows when its lines end.

        Args:
            line: without its end.
            expects: whether an answer follows, for which it may say `MOST_BYTES` more.
        """
        if expects:
            self._allowed = self._said + MOST_BYTES
        stream = self._process.stdin
        with self._lock, contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.write(line.encode("utf-8", "surrogateescape") + b"\n")
                stream.flush()

    def line(self, end: float | None = None) -> str | None:
        """Return the next line of its output, None at its end.

        Args:
            end: of `time.monotonic`, until when to wait; None for ever.

        Raises:
            Overrun: nothing came until then, or too much.
        """
        try:
            item = self._lines.get(
                timeout=None if end is None else max(0.0, end - time.monotonic())
            )
        except queue.Empty:
            raise Overrun("did not answer in time") from None
        if not isinstance(item, str):
            self._lines.put(item)  # it stays the end
        if isinstance(item, Overrun):
            raise item
        return item

    def wait(self, end: float) -> int:
        """Return its exit status; raise `Overrun` if it has none at ``end`` of `time.monotonic`."""
        try:
            return self._process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise Overrun("neither answers nor ends") from None

    def last_error(self) -> str:
        """Return the last line of the errors of a process that has ended; empty where it has none."""
        self._readers[1].join(1.0)
        return self._last_error

    def close_input(self) -> None:
        """Close its input, for most the order to end."""
        with self._lock, contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def end(self, patience: float = 0.0) -> None:
        """Close its input, and kill it unless it ends within ``patience`` seconds."""
        self.close_input()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        finally:
            self._process.kill()
            self._process.wait()
            self._stopped.set()  # what it has started may go on writing, or hold the pipes
            for reader in self._readers:
                reader.join(0.1)

    def _read_output(self) -> None:
        assert self._process.stdout is not None  # a pipe
        with self._process.stdout as stream:
            while not self._stopped.is_set() and (line := stream.readline(MOST_BYTES + 1)):
                self._said += len(line) + LINE_BYTES
                if self._said > self._allowed:
                    return self._overrun(f"says more than {MOST_BYTES >> 20} MB")
                self._lines.put(line.decode(errors="replace").rstrip("\n"))
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None  # a pipe
        said = 0
        with self._process.stderr as stream:
            while not self._stopped.is_set() and (line := stream.readline(MOST_ERRORS)):
                said += len(line)
                if said > MOST_ERRORS:
                    return self._overrun("says more and more")
                self._last_error = line.decode(errors="replace").strip() or self._last_error

    def _overrun(self, text: str) -> None:
        self._process.kill()
        self._lines.put(Overrun(text))
