"""The host's side of ``guard.sh``: a temporary folder on a device, and what runs in it.

Whatever ends this process or the link, the guard sees its input end or hears nothing for a while,
and cleans up.
"""

import re
import sys
import threading
import time
from collections.abc import Iterable
from importlib.resources import files
from typing import Self

from nanodet.bench.line_process import LinkLost, Overrun
from nanodet.bench.target.device import COMMAND_S, Device, quote
from nanodet.errors import NanodetError
from nanodet.text.printable import say

BEAT_S, PAUSE_S = 4.0, 5  # between two signs of life; between two looks whether one has come
PATIENCE_S = 20.0  # for the device to clean up


class Guard:
    """A session on a device that makes a folder and removes it; a context manager.

    Args:
        device: a `nanodet.bench.target.device.Device`.
        folder: where to make the folder; None leaves it to the device.

    Attributes:
        name: of the device.
        folder: its absolute path.
        machine, system: the device's ``uname -m`` and ``uname -sr``.
        free_kb: free space there in kB; None where the device does not tell.

    Raises:
        NanodetError: no link, or nothing can be written or executed there.
    """

    def __init__(self, device: Device, folder: str | None = None) -> None:
        base = str(folder or device.folder)
        # a name like -p is a folder too
        self._device, self._base = device, f"./{base}" if base.startswith("-") else base
        self.name, self._over = device.name, threading.Event()
        self.folder = self.machine = self.system = ""  # known after entry
        self.free_kb: int | None = None

    def __enter__(self) -> Self:
        self._process = self._device.start(
            guard_script(self._base, self._device.root, self._device.raising, PAUSE_S)
        )
        self.name = self._device.name
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()
        try:
            self._open()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._process.close_input()  # the guard's order to end
        said, end = [], time.monotonic() + PATIENCE_S
        try:
            while (line := self._process.line(end)) is not None:
                said.append(line)
        except Overrun:
            pass
        finally:
            self._process.end(max(0.0, end - time.monotonic()))
            self._beating.join(0.1)
        if self.folder and "gone" not in said and not isinstance(exception[1], LinkLost):
            self._warn(f"did not say that {self.folder} is removed")
        for line in said:
            if line.startswith("governor left "):
                self._warn(
                    f"the governor was not given back: {line.removeprefix('governor left ')}"
                )

    def read(self, patterns: Iterable[str] = ()) -> dict[str, str]:
        """Return path to text of the device's files, see `nanodet.bench.machine.read_files`."""
        self._process.send(" ".join(["read", *patterns]))
        found: dict[str, list[str]] = {}
        end = time.monotonic() + COMMAND_S
        while (heard := self._heard(end))[0] != "read":
            path, _, line = heard[1].partition(" ")
            if heard[0] == "is":
                found.setdefault(path, []).append(line)
        return {path: text for path, lines in found.items() if (text := "\n".join(lines).strip())}

    def set_governor(self, name: str) -> None:
        """Set the frequency governor of all cores, until the end.

        Raises:
            NanodetError: the device has none, not this one, or does not let us.
        """
        self._process.send(f"governor {name}")
        end = time.monotonic() + COMMAND_S
        while (heard := self._heard(end))[0] != "governor":
            pass
        word, _, rest = heard[1].partition(" ")
        raising = " ".join(self._device.raising.split()[:2])
        lines = {
            "absent": "the device reports no governors",
            "unknown": f"the device has {rest}",
            "denied": f"{rest}; {raising} does not help: log in as root, or leave --governor out",
        }
        if word in lines:
            raise self._error(f"--governor {name}: {lines[word]}")

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
            elif word == "system":
                self.system = rest
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
                    raise self._error("its shell does not say where the folder is")
                return

    def _heard(self, end: float) -> tuple[str, str]:
        """Return the guard's next (word, rest); raise `NanodetError` if it has ended, or goes on."""
        try:
            line = self._process.line(end)
        except Overrun as error:
            raise self._error(f"the device {error}") from None
        if line is None:
            raise self._ending()
        word, _, rest = line.partition(" ")
        return word, rest

    def _ending(self) -> NanodetError:
        try:
            status = self._process.wait(time.monotonic() + PATIENCE_S)
        except Overrun as error:
            return self._error(f"the device {error}")
        why = self._device.explain(self._process.last_error() or f"it ended with status {status}")
        if not self.folder:
            return self._error(why)
        return LinkLost(self.name, why)

    def _error(self, line: str) -> NanodetError:
        return NanodetError(f"{self.name}: {line}")

    def _warn(self, line: str) -> None:
        say(f"nanodet: warning: {self.name}: {line}", file=sys.stderr)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            self._process.send("alive", expects=False)


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
