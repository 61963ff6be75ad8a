"""Writes a video that gets its name only when it is complete."""

import contextlib
import itertools
from array import array

import cv2
import numpy as np

from nanodet.detect.mp4_times import set_frame_times
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import check_space, replacing, text_name
from nanodet.images.opencv_log import quiet

DEFAULT_FPS = 25.0  # for sources without a frame rate
MAX_FPS = 240.0
JITTER_S = 0.002  # containers round times to milliseconds


class VideoWriter:
    """An mp4 file (MPEG-4 video) that takes its size from the first frame.

    Each frame begins at its time in the source, so the durations are equal.

    Args:
        path: the file to write; `close` completes it and gives it this name, even after an interruption.
        fps: frames per second; ``None`` if the source does not state it.

    Raises:
        NanodetError: the folder or the video cannot be written.
    """

    def __init__(self, path: StrPath, fps: float | None = None) -> None:
        self.path, self.frames = text_name(path), 0
        # containers with irregular frames state more; OpenCV derives the bit rate from it
        self._fps = fps if fps and fps <= MAX_FPS else DEFAULT_FPS
        self._times = array("d")
        self._files = contextlib.ExitStack()
        self._writer: cv2.VideoWriter | None = None
        self._size: tuple[int, int] | None = None

    def write(self, picture: np.ndarray, time_s: float | None = None) -> None:
        """Append a frame, uint8 (H, W, 3) BGR.

        Args:
            time_s: its start; ``None``: one frame's duration after the previous one.
        """
        writer = self._writer or self._open(picture)
        if (picture.shape[1], picture.shape[0]) != self._size:
            # the stream has changed its size: the file cannot, and OpenCV would drop the frame
            picture = cv2.resize(picture, self._size)
        writer.write(picture)
        self.frames += 1
        if time_s is None:
            time_s = self._times[-1] + 1 / self._fps if self._times else 0.0
        self._times.append(time_s)

    def _open(self, picture: np.ndarray) -> cv2.VideoWriter:
        self._size = (picture.shape[1], picture.shape[0])
        self._temporary = self._files.enter_context(replacing(self.path))
        # absolute, otherwise FFmpeg takes the text before a colon for a protocol
        self._temporary = self._temporary.absolute()
        with quiet():
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._temporary), code, self._fps, self._size)
        if not self._writer.isOpened():
            self._fail("OpenCV has no writer for this size and frame rate")
        return self._writer

    def close(self) -> None:
        """Complete the file and give it its name."""
        if self._writer is None:
            return
        # OpenCV does not report a full disk; an unreadable index shows it
        with quiet():
            self._writer.release()
            self._writer = None
            reader = cv2.VideoCapture(str(self._temporary), cv2.CAP_FFMPEG)
            whole = reader.isOpened() and reader.get(cv2.CAP_PROP_FRAME_COUNT) >= self.frames
            reader.release()
        if not whole:
            self._fail("is the disk full?")
        if not self._is_steady():
            steps = sorted(after - before for before, after in itertools.pairwise(self._times))
            last = min(1 / self._fps, steps[len(steps) // 2] or 1)
            try:
                set_frame_times(self._temporary, [*self._times, self._times[-1] + last])
            except (OSError, ValueError) as error:
                self._fail(error)
        self._files.close()

    def _is_steady(self):
        """Return whether the frames have the constant rate of the file."""
        start, step = self._times[0], 1 / self._fps
        slack = max(JITTER_S, 0.1 * step)
        return all(abs(t - start - n * step) <= slack for n, t in enumerate(self._times))

    def _fail(self, why):
        try:
            check_space(self._temporary.parent)
        except OSError as full:
            why = full.strerror
        error = NanodetError(f"{self.path}: this video cannot be written ({why})")
        self._writer = None
        self._files.__exit__(NanodetError, error, None)  # removes the temporary file
        raise error
