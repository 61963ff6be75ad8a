"""Small real videos and a server for them."""

import http.server
import struct
import threading
import time
from contextlib import contextmanager

import cv2
import numpy as np


def grey(level, size=(128, 96)):
    """Return a uniform BGR image."""
    return np.full((size[1], size[0], 3), level, np.uint8)


def write_video(path, frames=30, fps=12.5, size=(128, 96), codec="MJPG"):
    """Write a video that brightens from grey level 100 by five per frame (at most 250)."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
    assert writer.isOpened()
    for n in range(frames):
        writer.write(grey(min(100 + 5 * n, 250), size))
    writer.release()
    return path


def truncate(path, share):
    """Cut a file to ``share`` of its size."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def read_video(path):
    """Return the frames' mean grey levels and the frame rate."""
    capture = cv2.VideoCapture(str(path))
    assert capture.isOpened(), path
    levels = []
    while True:
        found, picture = capture.read()
        if not found:
            return levels, capture.get(cv2.CAP_PROP_FPS)
        levels.append(float(picture.mean()))


@contextmanager
def serving(frames=10**6, interval_s=0.02, file=None):
    """Serve on 127.0.0.1: ``/stream`` is an MJPEG camera, ``/video.avi`` the file,
    ``/silent`` accepts and never answers. Yields the base URL."""
    done = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            try:
                if self.path == "/stream":
                    self._stream()
                elif self.path == "/silent":
                    done.wait(30)
                else:
                    self._file()
            except OSError:
                pass  # the reader went away

        def _stream(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
            self.end_headers()
            for n in range(frames):
                data = cv2.imencode(".jpg", grey(100 + n % 100))[1].tobytes()
                head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
                time.sleep(interval_s)
                if done.is_set():
                    return

        def _file(self):
            data = file.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        done.set()
        server.shutdown()
        server.server_close()


def write_uneven_video(path, times, end, size=(128, 96)):
    """Write a Matroska file of JPEGs that brighten from grey level 40 by two per frame.

    Args:
        times: when each frame begins, in whole milliseconds; end: when the last one ends.
    """

    def part(kind, *parts):
        body = b"".join(parts)
        return bytes.fromhex(kind) + (1 << 56 | len(body)).to_bytes(8, "big") + body

    def number(value):
        return value.to_bytes(8, "big")

    head = part("1a45dfa3", part("4282", b"matroska"), part("4287", number(4)))
    info = part("1549a966", part("4489", struct.pack(">d", end)))
    picture = part("e0", part("b0", number(size[0])), part("ba", number(size[1])))
    numbers = [part(kind, number(1)) for kind in ("d7", "73c5", "83")]
    track = part("1654ae6b", part("ae", *numbers, part("86", b"V_MJPEG"), picture))
    clusters = []
    for n, time_ms in enumerate(times):
        jpeg = cv2.imencode(".jpg", grey(min(40 + 2 * n, 250), size))[1].tobytes()
        frame = part("a3", b"\x81\0\0\x80" + jpeg)
        clusters.append(part("1f43b675", part("e7", number(time_ms)), frame))
    path.write_bytes(head + part("18538067", info, track, *clusters))
    return path


def frame_times(path):
    """Return when each frame of a video begins in seconds, and its grey level."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    assert capture.isOpened(), path
    found = []
    while True:
        there, picture = capture.read()
        if not there:
            return found
        found.append((capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, float(picture.mean())))


def lasts(path):
    """Return how long a video says it is, in seconds."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    return capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS)
