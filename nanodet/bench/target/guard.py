"""The host's side of ``guard.sh``: a temporary folder on a device, and what runs in it.

Whatever ends this process or the link, the guard sees its input end or hears nothing for a while,
and cleans up.
"""

import contextlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from importlib.resources import files
from typing import IO, Self

from nanodet.bench.target.device import Device, LinkLost, quote
from nanodet.bench.target.limits import COMMAND_S, Lines, Overrun
from nanodet.errors import NanodetError
from nanodet.text import Say
from nanodet.text.printable import say

MARK = "@nanodet "
BEAT_S, PAUSE_S = 4.0, 5  # between two signs of life; between two looks whether one has come
PATIENCE_S = 20.0  # for the device to clean up


class Guard:
    """A session on a device that makes a folder and removes it; a context manager.

    Args:
        device: a `nanodet.bench.target.device.Device`.
        folder: where to make the folder; None leaves it to the device.

    Attributes:
        folder: its absolute path.
        machine: the device's ``uname -m``.
        free_kb: free space there in kB; None where the device does not tell.

    Raises:
        NanodetError: no link, or nothing can be written or executed there.
    """

    def __init__(self, device: Device, folder: str | None = None) -> None:
        base = str(folder or device.folder)
        # a name like -p is a folder too
        self._device, self._base = device, f"./{base}" if base.startswith("-") else base
        self._lock, self._over = threading.Lock(), threading.Event()
        self.folder = self.machine = ""  # known after entry
        self.free_kb: int | None = None

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = self._device.start(
            guard_script(self._base, self._device.root, self._device.raising, PAUSE_S),
            stdin=pipe, stdout=pipe, stderr=pipe, text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        assert self._process.stdin is not None  # a pipe
        self._orders: IO[str] = self._process.stdin
        self._lines = Lines(self._process, MARK)
        threading.Thread(target=self._beat, daemon=True).start()
        try:
            self._open()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        with self._lock, contextlib.suppress(OSError):
            self._orders.close()  # the guard's order to end
        said, end = [], time.monotonic() + PATIENCE_S
        try:
            while time.monotonic() < end:
                with contextlib.suppress(Overrun):  # of what it had said before
                    if (reply := self._reply(end)) is None:
                        break
                    said.append(reply)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, end - time.monotonic()))
        finally:
            self._process.kill()
            self._process.wait()
            self._lines.stop()
        known = ("gone", "") in said or isinstance(exception[1], LinkLost)
        if self.folder and not known:
            self._warn(f"did not say that {self.folder} is removed")
        for word, rest in said:
            if word == "governor":
                self._warn(f"the governor was not given back: {rest.removeprefix('left ')}")

    def set_governor(self, name: str) -> None:
        """Set the frequency governor of all cores, until the end.

        Raises:
            NanodetError: the device has none, not this one, or does not let us.
        """
        self._send(f"governor {name}")
        word, _, rest = self._wait_for("governor", COMMAND_S).partition(" ")
        raising = " ".join(self._device.raising.split()[:2])
        lines = {
            "absent": "the device reports no governors",
            "unknown": f"the device has {rest}",
            "denied": f"{rest}; {raising} does not help: log in as root, or leave --governor out",
        }
        if word in lines:
            raise self._error(f"--governor {name}: {lines[word]}")

    def run(self, tell: Say, seconds: float) -> int:
        """Run the file ``run`` of the folder in ``sh``, see `run_script`; return its exit status.

        Args:
            tell: gets every line that it writes.
            seconds: that it may take.
        """
        self._send("run")
        status = self._wait_for("ended", seconds, tell)
        if not re.fullmatch(r"\d{1,3}", status):
            raise self._strange(f"ended {status}")
        return int(status)

    def _open(self) -> None:
        end = time.monotonic() + COMMAND_S
        while True:
            word, rest = self._heard(end)
            if word == "refused":
                raise self._error(f"cannot make a folder there ({rest})")
            if word == "folder":
                self.folder = rest
            elif word == "machine":
                self.machine = rest
            elif word == "free":
                free = re.search(r" (\d{1,15}) +\d+% ", rest)  # of a line of df -P
                self.free_kb = int(free[1]) if free else None
            elif word == "noexec" and self.folder:
                raise self._error(
                    f"nothing can be executed in {self.folder.rpartition('/')[0]} (mounted noexec?): "
                    "choose another folder by --target-dir"
                )
            elif word == "ready":
                if not self.folder or not self.folder.startswith("/") or not self.machine:
                    raise self._error("its shell prints text of its own: the folder is not known")
                return

    def _wait_for(self, awaited: str, seconds: float, tell: Say = lambda line: None) -> str:
        """Return what follows the awaited word."""
        end = time.monotonic() + seconds
        while True:
            word, rest = self._heard(end, tell)
            if word == awaited:
                return rest

    def _heard(self, end: float, tell: Say = lambda line: None) -> tuple[str, str]:
        """Return the guard's next (word, rest); raise `NanodetError` if it has ended, or goes on."""
        try:
            reply = self._reply(end, tell)
        except Overrun as error:
            raise self._error(f"the device {error}") from None
        if reply is None:
            raise self._ending()
        return reply

    def _reply(self, end: float, tell: Say = lambda line: None) -> tuple[str, str] | None:
        while (line := self._lines.next(end)) is not None:
            if line.startswith(MARK):
                word, _, rest = line.removeprefix(MARK).partition(" ")
                return word, rest
            if line:
                tell(line)
        return None

    def _ending(self) -> NanodetError:
        try:
            status = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            return self._error("the device neither answers nor ends")
        said = self._lines.last_error()
        why = self._device.explain(said or f"it ended with status {status}")
        if not self.folder:
            return self._error(why)
        return LinkLost(self._device.name, why)

    def _error(self, line: str) -> NanodetError:
        return NanodetError(f"{self._device.name}: {line}")

    def _strange(self, reply: str) -> NanodetError:
        return self._error(f"said what cannot be understood: {reply[:80]!r}")

    def _warn(self, line: str) -> None:
        say(f"nanodet: warning: {self._device.name}: {line}", file=sys.stderr)

    def _send(self, line: str) -> None:
        # that the link is lost shows when its replies end
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._orders.write(f"{line}\n")
            self._orders.flush()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            self._send("alive")


def guard_script(base: str, root: str, raising: str, pause: float) -> str:
    """Return ``guard.sh`` with its arguments, without its comments.

    Args:
        base: folder to make one in; empty leaves it to the device.
        root: folder in which ``sys`` lies; empty for the device's own.
        raising: see `nanodet.bench.target.device.Device`.
        pause: seconds between two looks whether the host still lives.
    """
    lines = files("nanodet.bench.target").joinpath("guard.sh").read_text("utf-8").splitlines()
    code = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return "\n".join([f"set -- {quote(base, root, raising, pause)}", *code])


def run_script(folder: str, words: Sequence[str]) -> str:
    """Return what the guard runs: the program, whose errors are heard and whose tables are not."""
    return (
        f"cd {quote(folder)}\n{quote(*words)} 2>&1 >/dev/null &\n"
        "echo $! >program\nwait $!\nstatus=$?\n"
        "rm -f program group\n"  # their numbers may soon be another's
        f'echo\necho "{MARK}ended $status"\n'
    )
