"""The program that measures on a device, and whether it is one for that device."""

from pathlib import Path

import nanodet
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import PROGRAM, open_input

# where deploy/cpp's preset aarch64 leaves it in a checkout
DEFAULT = (
    Path(nanodet.__file__).parents[1] / "deploy/cpp/build/aarch64/programs/bench/nanodet-bench"
)

# ELF's number of a machine to its name, and the names by which a kernel that runs it may go
_MACHINES = {
    3: ("i386", ("i386", "i486", "i586", "i686", "x86_64")),
    40: ("arm", ("armv6l", "armv7l", "armv8l", "aarch64")),
    62: ("x86_64", ("x86_64",)),
    183: ("aarch64", ("aarch64",)),
    243: ("riscv", ("riscv32", "riscv64")),
}


def find_program(path: StrPath | None = None) -> Path:
    """Return the path of the bench program; None takes what the checkout built for aarch64.

    Raises:
        NanodetError: it does not exist, or not a Linux program.
    """
    if path is None and not DEFAULT.is_file():
        raise NanodetError(
            f"{DEFAULT}: is not there: cmake --preset aarch64 && cmake --build --preset aarch64 in "
            "deploy/cpp builds it (docs/boards.md), or name one by --program"
        )
    path = Path(path or DEFAULT)
    try:
        with open_input(path, PROGRAM) as file:
            start = file.read(20)
    except NanodetError as error:
        raise NanodetError(f"--program: {error}") from None
    if len(start) < 20 or start[:4] != b"\x7fELF":
        raise NanodetError(f"--program: {path}: is not a Linux program (ELF)")
    return path


def check_machine(path: Path, machine: str) -> None:
    """Raise `NanodetError` if a device whose ``uname -m`` is ``machine`` cannot run a program."""
    with open(path, "rb") as file:
        start = file.read(20)
    number = int.from_bytes(start[18:20], "little" if start[5] == 1 else "big")
    name, runs_on = _MACHINES.get(number, (f"machine {number}", ()))
    known = any(machine in others for _, others in _MACHINES.values())
    if known and machine not in runs_on:
        raise NanodetError(
            f"{path}: is a program for {name}, but the device is {machine}: build one for it "
            "(docs/boards.md) and name it by --program"
        )
