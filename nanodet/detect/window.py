"""A window for images with boxes, or one clear line if none can be opened.

This module imports OpenCV only when a window is opened, so that it can also explain why importing
OpenCV failed.
"""

import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from nanodet.errors import NanodetError

# Debian and Ubuntu packages that opencv-python links to but does not include
IMPORT_PACKAGES = "libgl1 libglib2.0-0"
# needed by other packages, too
_DEBIAN_PACKAGES = {"libgomp.so.1": "libgomp1", "libstdc++.so.6": "libstdc++6"}
WINDOW_PACKAGES = "libgl1 libglib2.0-0 libsm6 libxext6"
ESCAPE = 27


def import_problem(error: ImportError) -> str | None:
    """Return one line for an `ImportError` caused by a system library or ``cv2``, otherwise ``None``.

    Args:
        error: raised by the import.
    """
    package = (error.name or "cv2").partition(".")[0]
    if isinstance(error, ModuleNotFoundError):
        return "OpenCV is missing: pip install opencv-python" if error.name == "cv2" else None
    missing = re.match(r"(\S+\.so\S*): cannot open shared object file", str(error))
    if missing is None:
        return None
    name = "OpenCV" if package == "cv2" else package
    line = f"{name} cannot be imported: the library {missing[1]} is missing"
    wanted = _DEBIAN_PACKAGES.get(missing[1]) or (IMPORT_PACKAGES if package == "cv2" else None)
    return f"{line}; on Debian and Ubuntu: apt install {wanted}" if wanted else line


def check_display(instead: str = "--out DIR") -> None:
    """Raise `NanodetError` unless a window can be opened.

    OpenCV's window toolkit ends the whole process if it finds no display, so a second process tries
    first.

    Args:
        instead: the option that avoids a window, for the message.
    """
    way_on = (
        f"use {instead} to write the results instead (a window needs a display and, on Debian and "
        f"Ubuntu: apt install {WINDOW_PACKAGES})"
    )
    if sys.platform.startswith("linux"):
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise NanodetError(f"there is no display for a window; {way_on}")
        trial = "import cv2; cv2.namedWindow('nanodet'); cv2.destroyAllWindows()"
        try:
            done = subprocess.run(
                [sys.executable, "-c", trial], capture_output=True, timeout=30, check=False
            )
        except subprocess.TimeoutExpired:
            raise NanodetError(f"the display does not answer; {way_on}") from None
        if done.returncode:
            raise NanodetError(f"no window can be opened on this display; {way_on}")


class Window:
    """A window; ``q``, Escape or its close button end the program."""

    def __init__(self, title: str) -> None:
        os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
        import cv2

        self._cv2, self._title, self._sized = cv2, title, False
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def show(
        self,
        picture: np.ndarray,
        wait_s: float | None = 0.0,
        stopped: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Show ``picture``.

        Args:
            picture: uint8 (H, W, 3) BGR.
            wait_s: seconds to wait for a key, ``None``: without limit.
            stopped: called while waiting; true ends the wait.

        Returns:
            whether to continue: false after q, Escape or a click on the close button.
        """
        if (
            not self._sized
        ):  # the first image determines the size; the user may change it afterwards
            scale = min(1.0, 1280 / picture.shape[1], 720 / picture.shape[0])
            size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
            self._cv2.resizeWindow(self._title, *(max(side, 1) for side in size))
            self._sized = True
        self._cv2.imshow(self._title, picture)
        return self.wait(wait_s, stopped)

    def wait(self, wait_s: float | None = 0.0, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Keep the image and wait; arguments and result are those of `show`."""
        end = math.inf if wait_s is None else time.monotonic() + wait_s
        while True:
            left_ms = 1000 * (end - time.monotonic())
            key = self._cv2.waitKey(round(min(max(left_ms, 1), 30))) & 0xFF
            if key in (ESCAPE, ord("q"), ord("Q")) or self._closed():
                return False
            if time.monotonic() >= end or key != 0xFF or stopped():
                return True

    def _closed(self):
        return self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) < 1

    def close(self) -> None:
        self._cv2.destroyAllWindows()
