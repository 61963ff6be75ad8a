"""Cameras and streams: frames that arrive in real time."""

import threading
import time
from collections.abc import Callable, Iterator

import cv2

from nanodet.detect.frame import Frame, Source, fps_of, print_warning
from nanodet.text import Say

TIMEOUT_S = 10  # after which a stream that does not open or send is given up
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0  # between attempts to reconnect, doubled each time


class LiveSource(Source):
    """A camera or stream: a thread reads it and only keeps the newest frame, so that none is late.

    Args:
        kind, name: as in `Source`.
        open_capture: returns a `cv2.VideoCapture` of it, which may not be open.
        capture: the first one, which is open.
        reconnect_s: try for this many seconds to reopen it when it ends or fails; ``None``: do not.
        warn: called with a line before each attempt.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        open_capture: Callable[[], cv2.VideoCapture],
        capture: cv2.VideoCapture,
        reconnect_s: float | None = None,
        warn: Say = print_warning,
    ) -> None:
        super().__init__(kind, name)
        self._capture, self.fps = capture, fps_of(capture)
        self._open, self._reconnect_s, self._warn = open_capture, reconnect_s, warn
        self._fresh = threading.Condition()
        self._newest: Frame | None = None
        self._lost_s: float | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)

    def _read(self):
        start, index, wait_s = time.monotonic(), 0, FIRST_WAIT_S
        while not self.stopped:
            found, picture = self._capture.read()
            now = time.monotonic()
            if found:
                self._lost_s, wait_s = None, FIRST_WAIT_S
                with self._fresh:
                    self._newest = Frame(picture, self.name, index, round(now - start, 4))
                    self._fresh.notify()
                index += 1
                continue
            if self._reconnect_s is None:
                break
            if self._lost_s is None:
                self._lost_s = now
                self._warn(f"{self.name}: no more frames after {index}; reconnecting")
            left_s = self._lost_s + self._reconnect_s - now
            if left_s <= 0:
                break
            self._sleep(min(wait_s, left_s))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            if not self.stopped:
                self._capture.release()
                self._capture = self._open()
        with self._fresh:
            self._ended, self._count = True, index
            self._fresh.notify()

    def _sleep(self, seconds):
        end = time.monotonic() + seconds
        while not self.stopped and (left_s := end - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.1))

    def __iter__(self) -> Iterator[Frame]:
        self.check_process()
        self._thread.start()
        while not self.stopped:
            self.check_process()
            with self._fresh:
                # a short wait, because a signal handler can set `stopped` but not notify
                self._fresh.wait_for(lambda: self._newest or self._ended, timeout=0.2)
                frame, self._newest = self._newest, None
            if frame is not None:
                yield frame
            elif self._ended:
                if not self.stopped:
                    tried = self._reconnect_s
                    self.problem = f"{self.name}: no more frames after {self._count}" + (
                        "" if tried is None else f", and no connection for {tried:g} s"
                    )
                return

    def close(self) -> None:
        super().close()
        if self._is_inherited:
            return
        if self._thread.is_alive():
            # opening a lost stream takes long, and can safely be abandoned
            self._thread.join(TIMEOUT_S + 1 if self._lost_s is None else 0.5)
        if (
            not self._thread.is_alive()
        ):  # otherwise the device hangs in a read; the process is ending anyway
            self._capture.release()
