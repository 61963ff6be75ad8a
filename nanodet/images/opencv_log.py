"""Keeps OpenCV and FFmpeg from writing to stderr what our messages report in one line."""

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

import cv2

_lock = threading.Lock()
_inside: list[Any] = []  # an entry per thread inside a block; the first is the level to restore


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence OpenCV's log inside the block, and FFmpeg's for files opened from now on.

    OpenCV reads FFmpeg's level when it opens the first file; a level set by the user is kept.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    with _lock:
        if not _inside:
            _inside.append(cv2.utils.logging.getLogLevel())
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        else:
            _inside.append(None)
    try:
        yield
    finally:
        with _lock:
            if len(_inside) > 1:
                _inside.pop()
            else:
                cv2.utils.logging.setLogLevel(_inside.pop())
