"""A device as a place where entries are timed, by the program in C++: ``nanodet bench --target``."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanodet.bench.line_process import LineProcess
from nanodet.bench.plan import Entry
from nanodet.bench.target.adb import AdbDevice
from nanodet.bench.target.cool import cool_down
from nanodet.bench.target.device import Device, quote
from nanodet.bench.target.guard import Guard
from nanodet.bench.target.parcel import PROGRAM, Parcel
from nanodet.bench.target.program import check_machine, find_program
from nanodet.bench.target.ssh import SshDevice
from nanodet.bench.target.this_machine import ThisMachine
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.temporary import temporary_folder
from nanodet.text.printable import say

REPLY_S = 600.0  # for a reply: loading, or at least one run of a network
SPARE_BYTES = 1 << 20


def open_device(
    target: str,
    ssh_options: Sequence[str] = (),
    start: Callable[..., subprocess.Popen[Any]] = subprocess.Popen,
    root: str = "/",
) -> Device:
    """Return the `nanodet.bench.target.device.Device` of a ``--target``, not connected yet.

    Args:
        target: ``ssh:USER@HOST[:PORT]``, ``ssh:HOST``, ``adb`` or ``adb:SERIAL``; ``here``.
        ssh_options: texts ``KEY=VALUE`` of ssh's config.
        start, root: see `nanodet.bench.target.device.Device`.
    """
    kind, _, address = target.partition(":")
    if kind == "ssh" and address:
        return SshDevice(address, ssh_options, start, root)
    if kind != "adb" and target != "here":
        raise NanodetError(
            f"--target {target}: must be adb, adb:SERIAL, ssh:HOST or ssh:USER@HOST[:PORT]"
        )
    if ssh_options:
        raise NanodetError(f"--ssh-option: is not for --target {target}")
    return AdbDevice(address or None, start, root) if kind == "adb" else ThisMachine(start, root)


@dataclass(frozen=True)
class There:
    """Where and how `nanodet.bench.bench.bench` times on a device.

    Nothing stays on the device, however this ends.

    Attributes:
        device: of `open_device`.
        program: path of ``nanodet-bench`` for the device; None takes that of the checkout.
        folder: where on the device a temporary folder is made; None leaves it to the device.
        governor: frequency governor of its cores while it measures; None leaves them.
        cool_to: degrees Celsius to wait for before, see `nanodet.bench.target.cool.cool_down`.
    """

    device: Device
    program: StrPath | None = None
    folder: str | None = None
    governor: str | None = None
    cool_to: float | None = None

    is_here = False

    def check(self) -> None:
        """Connect and let go again: what is refused later would be after a long preparation.

        Raises:
            NanodetError: a program that is not for the device; no link, no folder, or no such governor.
        """
        with self._connected(find_program(self.program)):
            pass

    @contextlib.contextmanager
    def open(self, entries: Sequence[Entry], image: StrPath | None = None) -> Iterator["Session"]:
        """Copy what the entries need; a context manager of the session.

        Raises:
            NanodetError: bad input, before the device is asked; no link, no room, or no right.
        """
        program = find_program(self.program)
        with temporary_folder() as here:
            parcel = Parcel(entries, program, image, here)
            with self._connected(program) as guard:
                _copy(self.device, guard, parcel.files)
                if self.cool_to is not None:
                    cool_down(guard, self.cool_to)
                yield Session(self.device, guard, parcel)

    @contextlib.contextmanager
    def _connected(self, program: Path) -> Iterator[Guard]:
        with self.device, Guard(self.device, self.folder) as guard:
            check_machine(program, guard.machine)
            if self.governor is not None:
                guard.set_governor(self.governor)
            yield guard


class Session:
    """A `nanodet.bench.turns.Session` of a device."""

    def __init__(self, device: Device, guard: Guard, parcel: Parcel) -> None:
        self._device, self._guard, self._parcel = device, guard, parcel
        self.patience: float | None = REPLY_S
        self.architecture, self.system = guard.machine, guard.system

    def read(self, patterns: Iterable[str]) -> dict[str, str]:
        """Return the device's files, see `nanodet.bench.machine.read_files`."""
        return self._guard.read(patterns)

    def start(self, entry: Entry) -> LineProcess:
        """Start the process of an entry."""
        words = f"./{PROGRAM}", "--worker", f"{self._guard.folder}/{self._parcel.place(entry)}"
        # not the last command of the shell, which tells a signal by its status
        return self._device.start(f"cd {quote(self._guard.folder)} && {quote(*words)}; exit $?")

    def order(self, entry: Entry) -> dict[str, Any]:
        """Return its first order, without the cores."""
        return self._parcel.order(entry, self._guard.folder)

    def error(self, text: str) -> NanodetError:
        """Return the error of a text of the process; raise `LinkLost` where that is the reason."""
        self._guard.read()
        return NanodetError(
            f"{self._device.name}: {self._parcel.name_here(text, self._guard.folder)}"
        )


def _copy(device: Device, guard: Guard, files: Mapping[str, Path]) -> None:
    """Copy files (path in the device's folder to path here), and see that they arrived."""
    sizes = {path: file.stat().st_size for path, file in files.items()}
    size = sum(sizes.values())
    needed = size + SPARE_BYTES
    if guard.free_kb is not None and 1024 * guard.free_kb < needed:
        raise NanodetError(
            f"{device.name}: there is no space for {needed / 2**20:.1f} MB in "
            f"{guard.folder.rpartition('/')[0]} ({guard.free_kb / 1024:.1f} MB are free): choose "
            "another folder by --target-dir"
        )
    say(f"{device.name}: copying {size / 2**20:.1f} MB to {guard.folder}", file=sys.stderr)
    folders = sorted({path.partition("/")[0] for path in files if "/" in path})
    there = [f"{guard.folder}/{path}" for path in files]
    _must(device, quote("mkdir", *(f"{guard.folder}/{name}" for name in folders)))
    for path, file in zip(there, files.values(), strict=True):
        device.push(file, path)
    program = f"{guard.folder}/{PROGRAM}"
    counted = "; ".join(f"wc -c <{quote(path)}" for path in there)
    counts = _must(device, f"{quote('chmod', '700', program)} && {{ {counted}; }}").split()
    if counts != [str(size) for size in sizes.values()]:
        raise NanodetError(f"{device.name}: what was copied there did not arrive whole")


def _must(device: Device, script: str) -> str:
    """Run a script on the device; return what it wrote, raise `NanodetError` if it fails."""
    done = device.shell(script)
    if done.status != 0:
        raise NanodetError(f"{device.name}: {done.said}")
    return done.out
