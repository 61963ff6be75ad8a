"""A frame, and the base class of all sources of frames."""

import math
import sys
from dataclasses import dataclass

import cv2
import numpy as np

from nanodet.runtime.forks import fork_count, keep_in_children, refuse_fork
from nanodet.text.printable import say


@dataclass
class Frame:
    """One image of a source.

    Attributes:
        picture: uint8 (H, W, 3) BGR.
        name: the file, camera or URL it came from.
        index: number from 0; of a live source it also counts the frames that were skipped.
        time_s: seconds from the start of the video or stream, ``None`` for image files.
    """

    picture: np.ndarray
    name: str
    index: int
    time_s: float | None = None


class Source:
    """Base class of all sources; iterating gives `Frame` objects, once.

    Attributes:
        kind: ``picture``, ``pictures``, ``video``, ``camera`` or ``stream``.
        name: in messages and results.
        total: the number of frames, ``None`` if unknown.
        fps: frames per second, ``None`` if unknown or for image files.
        problem: after the iteration, one line if not everything could be read, otherwise ``None``.
    """

    total: int | None = None
    fps: float | None = None
    problem: str | None = None
    stopped = False

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name, self._forks = kind, name, fork_count()
        keep_in_children(self)

    @property
    def _is_inherited(self):
        """Whether a parent of this process opened it: FFmpeg would wait for lost threads."""
        return self._forks != fork_count()

    def check_process(self) -> None:
        """Raise `NanodetError` unless this process opened it."""
        if self._is_inherited:
            refuse_fork(f"{self.name}: was opened earlier, and cannot be read")

    @property
    def live(self) -> bool:
        """Whether frames arrive in real time, and are lost if they are not read."""
        return self.kind in ("camera", "stream")

    def stop(self) -> None:
        """End the iteration after the current frame; safe in a signal handler."""
        self.stopped = True

    def close(self) -> None:
        """Close files and devices."""
        self.stop()


def print_warning(line: object) -> None:
    """Write one line to stderr."""
    say(f"nanodet: warning: {line}", file=sys.stderr)


def fps_of(capture: cv2.VideoCapture) -> float | None:
    """Return the frames per second of a `cv2.VideoCapture`, ``None`` if its value is implausible."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if math.isfinite(fps) and 0.1 <= fps <= 1000 else None


def frame_count(capture: cv2.VideoCapture) -> int | None:
    """Return the number of frames that a `cv2.VideoCapture` reports, ``None`` if it does not."""
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if math.isfinite(count) and 1 <= count < 1e9 else None
