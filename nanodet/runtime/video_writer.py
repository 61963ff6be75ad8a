"""Writing a video that appears under its name only when it is whole."""

import contextlib

import cv2

from nanodet.errors import NanodetError
from nanodet.runtime.files import replacing, text_name

DEFAULT_FPS = 25.0  # for sources that do not tell


class VideoWriter:
    """An mp4 file (MPEG-4 video) that takes its size from the first frame.

    Args:
        path: the file to write; `close` puts it there, complete, after an interruption too.
        fps: frames per second; ``None`` when the source does not tell.
        by_clock: for live sources, whose frames come unevenly: frames are repeated or left out
            so that the video lasts as long as what it shows.

    Raises:
        NanodetError: the folder or the video cannot be written.
    """

    def __init__(self, path, fps=None, by_clock=False):
        self.path, self.frames = text_name(path), 0
        self._fps, self._by_clock = fps or DEFAULT_FPS, by_clock
        self._files = contextlib.ExitStack()
        self._writer = self._size = self._start_s = None

    def write(self, picture, time_s=None):
        """Append a frame, uint8 (H, W, 3) BGR; ``time_s`` is needed with ``by_clock``."""
        if self._writer is None:
            self._open(picture, time_s)
        if (picture.shape[1], picture.shape[0]) != self._size:
            # a stream that changes its size: the file cannot, and OpenCV would drop the frame
            picture = cv2.resize(picture, self._size)
        repeats = 1
        if self._by_clock:
            repeats = round((time_s - self._start_s) * self._fps) + 1 - self.frames
        for _ in range(repeats):
            self._writer.write(picture)
            self.frames += 1

    def _open(self, picture, time_s):
        self._size, self._start_s = (picture.shape[1], picture.shape[0]), time_s
        self._temporary = self._files.enter_context(replacing(self.path))
        self._writer = cv2.VideoWriter(
            str(self._temporary), cv2.VideoWriter_fourcc(*"mp4v"), self._fps, self._size
        )
        if not self._writer.isOpened():
            self._fail("OpenCV has no writer for this size and frame rate")

    def close(self):
        """Finish the file and give it its name."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        # OpenCV does not tell of a full disk; an index that cannot be read does
        reader = cv2.VideoCapture(str(self._temporary), cv2.CAP_FFMPEG)
        whole = reader.isOpened() and reader.get(cv2.CAP_PROP_FRAME_COUNT) >= 1
        reader.release()
        if not whole:
            self._fail("is the disk full?")
        self._files.close()

    def _fail(self, why):
        error = NanodetError(f"{self.path}: this video cannot be written ({why})")
        self._writer = None
        self._files.__exit__(NanodetError, error, None)  # removes the temporary file
        raise error
