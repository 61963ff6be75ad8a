"""Keeping OpenCV and FFmpeg from writing to stderr what a message of ours says in one line."""

import contextlib
import os

import cv2


@contextlib.contextmanager
def quiet():
    """Silence OpenCV's log inside the block, and FFmpeg's for files opened from now on.

    FFmpeg's level is read by OpenCV when it opens the first file; one that the user set stays.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
