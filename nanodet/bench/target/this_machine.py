"""This machine as a device: its own shell, for the program in C++."""

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

from nanodet.bench.target.device import Device, Done
from nanodet.errors import NanodetError


class ThisMachine(Device):
    """The machine on which this runs; arguments as of `Device`."""

    raising = "sudo -n sh -c"
    package = "it needs a shell"

    def __init__(
        self, start: Callable[..., subprocess.Popen[Any]] = subprocess.Popen, root: str = "/"
    ) -> None:
        super().__init__("here", start, root)

    def words(self, script: str) -> list[str]:
        return ["sh", "-c", script]

    def push(self, local: str | os.PathLike[str], path: str) -> None:
        try:
            shutil.copyfile(local, path)
        except OSError as error:
            raise NanodetError(f"{local}: cannot be copied to {path} ({error.strerror})") from None

    def lost(self, done: Done) -> bool:
        return False

    def explain(self, said: str) -> str:
        return said
