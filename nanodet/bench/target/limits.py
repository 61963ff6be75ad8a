"""How much a device may say, and how long it may take: it may be broken, or somebody's joke."""

import contextlib
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from typing import IO, Any

MOST_BYTES = 8 << 20  # of what one command says; a report has some 100 kB
MOST_TOLD = 1 << 20  # characters of what the session says, which is some lines
LONGEST_LINE = 1 << 16  # characters; the rest of a longer line is left out
COMMAND_S = 60.0  # for a command that takes a second
SLOWEST_LINK = 20_000  # bytes a second


class Overrun(Exception):
    """A device says too much or takes too long; the text continues "the device"."""


def communicate(
    process: subprocess.Popen[bytes], seconds: float, most: int = MOST_BYTES
) -> list[bytes]:
    """Return what a process writes to its pipes, as `subprocess.Popen.communicate` does.

    Raises:
        Overrun: more bytes or seconds than it may have; the process is killed.
    """
    streams = process.stdout, process.stderr
    kept, flooded = [bytearray(), bytearray()], threading.Event()

    def read(stream: Any, data: bytearray) -> None:
        with stream:
            while chunk := stream.read1(1 << 16):
                data += chunk
                if len(data) > most:
                    flooded.set()
                    process.kill()
                    return

    threads = [
        threading.Thread(target=read, args=pair, daemon=True)
        for pair in zip(streams, kept, strict=True)
    ]
    end = time.monotonic() + seconds
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        late = any(thread.is_alive() for thread in threads)
        process.wait(0 if late else max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        late = True
    finally:
        process.kill()
        process.wait()
    if flooded.is_set():
        raise Overrun(f"says more than {most >> 20} MB")
    if late:
        raise Overrun(f"did not answer within {seconds:g} s")
    return [bytes(data) for data in kept]


class Lines:
    """The lines of a process's output and errors, read in the background."""

    def __init__(self, process: subprocess.Popen[str], kept: str, most: int = MOST_TOLD) -> None:
        """Start to read.

        Args:
            process: a `subprocess.Popen` in text mode with pipes.
            kept: start of the lines that are taken even beyond the limit, up to 100 of them.
            most: characters; then `next` raises `Overrun`.
        """
        self._last_error, self._kept, self._left = "", kept, most
        self._waiting: queue.SimpleQueue[str | Overrun | None] = queue.SimpleQueue()
        self._spare = 100
        self._stopped = threading.Event()
        readers = (process.stdout, self._waiting.put), (process.stderr, self._note)
        self._threads = [threading.Thread(target=self._read, args=r, daemon=True) for r in readers]
        for thread in self._threads:
            thread.start()

    def next(self, end: float) -> str | None:
        """Return the next line of the output, None at its end.

        Args:
            end: of `time.monotonic`, until when to wait.

        Raises:
            Overrun: nothing came until then, or too much.
        """
        try:
            line = self._waiting.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            raise Overrun("did not answer in time") from None
        if line is None:
            self._waiting.put(None)  # it stays the end
        if isinstance(line, Overrun):
            raise line
        return line

    def last_error(self) -> str:
        """Return the last line of the errors of a process that has ended; empty where it has none."""
        self._threads[1].join(1.0)
        return self._last_error

    def stop(self) -> None:
        """Read no further: what the killed process started may go on writing."""
        self._stopped.set()

    def _read(self, stream: IO[str], take: Callable[[str | None], object]) -> None:
        with stream:
            begins = True
            while not self._stopped.is_set() and (text := stream.readline(LONGEST_LINE)):
                fine = self._count(len(text))
                if begins and (fine or self._is_kept(text)):
                    take(text.rstrip("\n"))
                begins = text.endswith("\n")
        take(None)

    def _count(self, characters: int) -> bool:
        """Return whether the limit is kept; say so once where it no longer is."""
        before, self._left = self._left, self._left - characters
        if before >= 0 > self._left:
            self._overrun()
        return self._left >= 0

    def _overrun(self) -> None:
        # ahead of what nobody has taken yet: beside a flood, that takes a reader a while
        waiting = []
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.append(self._waiting.get_nowait())
        self._waiting.put(Overrun("says more and more"))
        for line in waiting:
            if not isinstance(line, str) or self._is_kept(line):
                self._waiting.put(line)

    def _is_kept(self, text: str) -> bool:
        self._spare -= text.startswith(self._kept)
        return text.startswith(self._kept) and self._spare >= 0

    def _note(self, line: str | None) -> None:
        self._last_error = (line or "").strip() or self._last_error
