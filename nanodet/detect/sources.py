"""Sources of images: files, folders, patterns, videos, cameras and streams."""

import glob
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from nanodet.detect.containers import Extent, extent_of
from nanodet.detect.frame import Frame, Source, fps_of, frame_count, print_warning
from nanodet.detect.live_source import TIMEOUT_S, LiveSource
from nanodet.errors import NanodetError
from nanodet.files.files import text_name
from nanodet.files.folders import check_readable, is_data
from nanodet.files.inputs import absence
from nanodet.images.image_file import is_picture_name, read_picture
from nanodet.images.opencv_log import quiet
from nanodet.text import Say

URL = re.compile(r"(rtsps?|rtmps?|https?|udp|tcp|srt)://", re.IGNORECASE)
LOOK = 5000  # entries in subfolders that are checked: it may be a whole disk


def open_source(text: str, warn: Say = print_warning, reconnect_s: float | None = None) -> Source:
    """Open the source named by ``text``.

    Args:
        text: an image, a folder of images, a pattern such as ``shots/**/*.jpg``, a video, the
            number of a camera or the path of its device (``/dev/video0``), or a URL (RTSP, RTMP,
            HTTP).
        warn: called with a line for each of several images that cannot be read, and when a
            connection is lost.
        reconnect_s: for cameras and streams, see `LiveSource`.

    Raises:
        NanodetError: it does not exist, or cannot be read.
    """
    text = str(text)
    if re.fullmatch(r"\d{1,4}", text):
        return _open_camera(int(text), reconnect_s, warn)
    if URL.match(text):
        return _open_url(text, reconnect_s, warn)
    path = Path(text)
    if os.path.isdir(path):
        check_readable(path)
        files = sorted(filter(_is_picture, path.iterdir()))
        deeper = _has_pictures_deeper(path)
        hint = f"'{glob.escape(str(path))}/**' takes those of the folders inside it, too"
        if not files:
            line = f"{path}: no images in this folder (.jpg, .png, ...)"
            raise NanodetError(f"{line}; {hint}" if deeper else line)
        if deeper:
            warn(f"{path}: the images of folders inside it are left out; {hint}")
        return PictureSource("pictures", text, files, path, warn)
    if os.path.exists(path):
        if path.is_char_device():
            return _open_camera(text, reconnect_s, warn)
        if not path.is_file():
            raise NanodetError(f"{path}: is a device or a pipe, not an image or a video")
        return _open_file(path)
    if glob.has_magic(text):
        folder = _fixed_folder(path)
        check_readable(folder, deeper="**" in path.parts)  # a pattern skips what it may not read
        files = sorted(filter(_is_picture, map(Path, glob.glob(text, recursive=True))))
        if not files:
            raise NanodetError(f"{text}: no images match this pattern")
        return PictureSource("pictures", text, files, folder, warn)
    raise NanodetError(absence(path, "there is no such file, folder, camera or stream"))


def _has_pictures_deeper(folder):
    """Return whether there are images in subfolders, as far as a quick check shows."""
    found = glob.iglob(os.path.join(glob.escape(str(folder)), "*", "**"), recursive=True)
    return any(map(_is_picture, map(Path, itertools.islice(found, LOOK))))


def _is_picture(path):
    return is_picture_name(path) and is_data(path)


class PictureSource(Source):
    """Image files.

    Attributes:
        files: the paths in the order of reading.
        folder: contains all files, directly or in subfolders.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        files: Sequence[Path],
        folder: Path,
        warn: Say = print_warning,
    ) -> None:
        super().__init__(kind, name)
        self.files, self.folder, self.total, self._warn = files, folder, len(files), warn

    def __iter__(self) -> Iterator[Frame]:
        unread = 0
        for index, file in enumerate(self.files):
            if self.stopped:
                break
            try:
                picture = read_picture(file)
            except NanodetError as error:
                if self.kind == "picture":
                    raise
                self._warn(str(error))
                unread += 1
            else:
                yield Frame(picture, str(file), index)
        if unread:
            self.problem = f"{self.name}: {unread} of {self.total} images could not be read"


class VideoSource(Source):
    """All frames of a video file.

    Args:
        name: as in `Source`.
        capture: a `cv2.VideoCapture` from which the image ``first`` was read.
        extent: the `Extent` of its file; None if only OpenCV's estimate is known.
        warn: called with a line if the video ended early according to that estimate.
    """

    def __init__(
        self,
        name: str,
        capture: cv2.VideoCapture,
        first: np.ndarray,
        extent: Extent | None = None,
        warn: Say = print_warning,
    ) -> None:
        super().__init__("video", name)
        self._capture, self._first, self._extent, self._warn = capture, first, extent, warn
        self.fps, self.total = fps_of(capture), extent.frames if extent else None

    def __iter__(self) -> Iterator[Frame]:
        self.check_process()
        picture, index, time_s = self._first, 0, 0.0
        while picture is not None and not self.stopped:
            yield Frame(picture, self.name, index, time_s)
            if self.stopped:
                return
            self.check_process()
            index += 1
            _, picture = self._capture.read()
            before, time_s = time_s, self._time(index, time_s)
        if not self.stopped:
            self._judge(index, before)

    def _judge(self, index, time_s):
        """Return whether there should be more than ``index`` frames, the last of them at ``time_s``."""
        if self._extent is not None:
            if self._extent.lacks(index, time_s):
                of = f" of {self.total}" if self.total else ""
                self.problem = (
                    f"{self.name}: the video stops at frame {index}{of} ({time_s:.1f} s); "
                    f"the rest cannot be read"
                )
            return
        about_s = (frame_count(self._capture) or 0) / self.fps if self.fps else 0.0
        if time_s + max(1, 3 / (self.fps or 1)) < about_s:
            self._warn(
                f"{self.name}: no more frames after {index} ({time_s:.1f} s), though it says that it "
                f"lasts {about_s:.1f} s"
            )

    def _time(self, index, before):
        time_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if time_s > before:
            return round(time_s, 4)
        return max(round(index / self.fps, 4), before) if self.fps else before

    def close(self) -> None:
        super().close()
        if not self._is_inherited:
            self._capture.release()


def without_password(url: str) -> str:
    """Return ``url`` without user and password, which streams often contain."""
    return re.sub(r"^(\w+://)[^/@]*@", r"\1", url)


def _open_file(path):
    """Open an image or a video: by content, then by suffix."""
    picture = PictureSource("picture", str(path), [path], path.parent)
    try:
        name = text_name(path)
    except NanodetError:
        if is_picture_name(path):
            return picture  # OpenCV only gets the contents
        raise
    with quiet():
        # an animated gif is a video, although OpenCV also reads its first image
        looks = cv2.haveImageReader(name) and path.suffix.lower() != ".gif"
        if looks:
            return picture
        # absolute, otherwise FFmpeg takes the text before a colon for a protocol
        capture = cv2.VideoCapture(os.path.abspath(name), cv2.CAP_FFMPEG)
        found, first = capture.read()
        several = found and not (is_picture_name(path) and frame_count(capture) in (None, 1))
    if several:
        return VideoSource(name, capture, first, extent_of(path))
    capture.release()
    if is_picture_name(path):
        return picture  # reading it will report the fault
    if not path.stat().st_size:
        raise NanodetError(f"{path}: this file is empty")
    what = "neither an image nor a video that can be read"
    raise NanodetError(
        f"{path}: {what}" + (" (its end is missing)" if extent_of(path).cut_off else "")
    )


def _open_camera(device, reconnect_s, warn):
    """Open a camera by its number, or the path of its device."""
    number = isinstance(device, int)
    name = f"camera {device}" if number else device

    def open_capture():
        with quiet():
            return cv2.VideoCapture(device) if number else cv2.VideoCapture(device, cv2.CAP_V4L2)

    capture = open_capture()
    if not capture.isOpened():
        raise NanodetError(f"{name}: there is no such camera, or it is in use")
    return LiveSource("camera", name, open_capture, capture, reconnect_s, warn)


def _open_url(url, reconnect_s, warn):
    name, wait = without_password(url), TIMEOUT_S * 1000
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, wait, cv2.CAP_PROP_READ_TIMEOUT_MSEC, wait]

    def open_capture():
        with quiet():
            return cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)

    capture = open_capture()
    if not capture.isOpened():
        raise NanodetError(f"{name}: this stream does not open (tried for {TIMEOUT_S} s)")
    if url.lower().startswith("http") and frame_count(capture):
        # a file on a server: no frames are lost while it waits
        found, first = capture.read()
        if found:
            return VideoSource(name, capture, first, warn=warn)
    return LiveSource("stream", name, open_capture, capture, reconnect_s, warn)


def _fixed_folder(pattern):
    """Return the part of a pattern before its first wildcard."""
    fixed, escaped = [], re.compile(r"\[([*?[])\]")  # the output of glob.escape
    for part in pattern.parts[:-1]:
        if glob.has_magic(escaped.sub("", part)):
            break
        fixed.append(escaped.sub(r"\1", part))
    return Path(*fixed)
