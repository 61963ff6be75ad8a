"""An Android device, reached by adb."""

import os
import subprocess
from collections.abc import Callable
from typing import Any, Self

from nanodet.bench.target.device import Device, Done
from nanodet.errors import NanodetError

HINTS = {
    "unauthorized": "allow this computer on the device's screen",
    "offline": "unplug it and plug it in again",
    "no permissions": "this user may not use it: see adb's words on udev rules (adb devices)",
}
OWN_ERRORS = ("error: ", "adb: ")


class AdbDevice(Device):
    """A device with USB or network debugging.

    Args:
        serial: as ``adb devices`` lists it; None where one alone is connected.
        start, root: see `Device`.

    Raises:
        NanodetError: on entry: no adb, no such device, several, or one that is not ready.
    """

    raising = "su -c"
    folder = "/data/local/tmp"  # all else is closed to adb, or nothing there may be executed
    package = "it is part of Android's platform-tools"

    def __init__(
        self,
        serial: str | None = None,
        start: Callable[..., subprocess.Popen[Any]] = subprocess.Popen,
        root: str = "/",
    ) -> None:
        super().__init__(f"adb:{serial}" if serial else "adb", start, root)
        self._serial = serial or ""  # found on entry

    def __enter__(self) -> Self:
        listed = self._run(["adb", "devices"])
        if listed.status != 0:
            raise NanodetError(f"{self.name}: {listed.said}")
        states = dict(line.split("\t", 1) for line in listed.out.splitlines() if "\t" in line)
        there = ", ".join(states)
        if not states:
            raise NanodetError(
                f"{self.name}: no device: connect one and switch on its USB debugging"
            )
        if not self._serial:
            if len(states) > 1:
                raise NanodetError(
                    f"adb: there are several devices: choose by adb:SERIAL ({there})"
                )
            self._serial = there
        elif self._serial not in states:
            raise NanodetError(f"{self.name}: no such device (there is {there})")
        state = states[self._serial].strip()
        if state != "device":
            hint = next((text for word, text in HINTS.items() if state.startswith(word)), None)
            state = state.partition(" (")[0]
            raise NanodetError(f"adb:{self._serial}: {state}" + (f": {hint}" if hint else ""))
        self.name = f"adb:{self._serial}"
        return self

    def words(self, script: str) -> list[str]:
        # the device's sh gets it as one text
        return ["adb", "-s", self._serial, "shell", script]

    def push(self, local: str | os.PathLike[str], path: str) -> None:
        words = ["adb", "-s", self._serial, "push", str(local), path]
        done = self._run(words, seconds=self.copy_seconds(local))
        if done.status != 0:
            raise NanodetError(f"{self.name}: {local}: cannot be copied there ({done.said})")

    def lost(self, done: Done) -> bool:
        # it has no status of its own for that
        return done.status != 0 and done.said.startswith(OWN_ERRORS)

    def explain(self, said: str) -> str:
        return said.removeprefix("error: ").removeprefix("adb: ")
