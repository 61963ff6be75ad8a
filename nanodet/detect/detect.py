"""Detects objects in images, a video, a camera or a stream, as ``nanodet detect`` does."""

import contextlib
import sys
import time
from collections import Counter
from typing import Any

import numpy as np

from nanodet.detect.frame import Frame, Source, print_warning
from nanodet.detect.results import Results
from nanodet.detect.sources import open_source
from nanodet.detect.window import Window, check_display
from nanodet.drawing.draw import draw
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.runtime.detections import Detections
from nanodet.runtime.detector import Detector
from nanodet.stopping import Stopped, Stopping
from nanodet.text.printable import say
from nanodet.text.progress import Progress

FEW = 20  # number of images up to which each gets a line


def detect(
    model: StrPath,
    source: str,
    *,
    config: Any = None,
    out: StrPath | None = None,
    score: float | None = None,
    fit: str | None = None,
    size: tuple[int, int] | None = None,
    threads: int | None = None,
    engine: str | None = None,
    precision: str = "fp32",
    instead: str = "--out DIR",
    class_agnostic_nms: bool | None = None,
    reconnect_s: float | None = None,
    uncertainty: bool = False,
    distributions: bool = False,
) -> int:
    """Detect objects in all frames of ``source``, and write or show the results.

    Args:
        model: ``.ckpt``, ``.onnx`` or ``.param`` file.
        source: see `nanodet.detect.sources.open_source`.
        config: the model's config file, for checkpoints that contain none.
        out: folder for the results; ``None`` opens a window.
        score, fit, size, threads, engine, class_agnostic_nms: see
            `nanodet.runtime.detector.Detector`; ``None``: the model's.
        precision: of the arithmetic, of an ncnn model.
        instead: the option that sets ``out``, for a message.
        reconnect_s: try for this many seconds to reopen a camera or stream that is lost;
            ``None``: do not.
        uncertainty: whether to draw each edge with its standard deviation, and write it to the results.
        distributions: whether to draw the distributions of the edges of the best boxes of each image into
            a file of its own, see `nanodet.visualize.plot_distributions`.

    Returns:
        the number of frames.

    Raises:
        NanodetError: bad input; also if only a part of the source could be read, after all of
            that part has been written.
        Stopped: Ctrl-C, SIGTERM or SIGHUP, after the results so far have been written.
    """
    if out is None and distributions:
        raise NanodetError(f"--distributions: needs {instead}")
    if out is None:
        check_display(instead)
    progress: Progress | None = None

    def warn(line: str) -> None:
        if progress is None:  # no progress line is shown yet that this could break
            print_warning(line)
        else:
            progress.line(f"nanodet: warning: {line}", sys.stderr)

    with contextlib.ExitStack() as open_things:
        frames = open_source(source, warn, reconnect_s)
        open_things.callback(frames.close)
        if reconnect_s is not None and not frames.live:
            raise NanodetError(f"{source}: --reconnect is for cameras and streams alone")
        results = None if out is None else Results(out, frames, uncertainty, distributions)
        detector = Detector(
            model, config=config, fit=fit, size=size, threads=threads, score=score, engine=engine,
            precision=precision, class_agnostic_nms=class_agnostic_nms,
        )  # fmt: skip
        if uncertainty:
            detector.spec.check_uncertainty(detector.backend.path, "--uncertainty")
        if distributions:
            # imports what detection alone does not need
            from nanodet.visualize import check_distributions

            check_distributions(detector.spec, detector.backend.path, "--distributions")
        # from here on, and while results are completed, Ctrl-C only ends the source
        stopping = open_things.enter_context(Stopping(frames.stop))
        made: Any = results or contextlib.closing(Show(Window("nanodet"), frames))
        sink = open_things.enter_context(made)
        few = frames.kind in ("picture", "pictures") and (frames.total or 0) <= FEW
        unit = "image" if frames.kind in ("picture", "pictures") else "frame"
        progress = Progress(frames.total, unit, shown=not few)
        open_things.callback(progress.close)
        boxes, seconds = _go_through(
            frames, detector, sink, progress, few, uncertainty, distributions
        )
    done = progress.done
    if not few and done:
        say(f"{done} {unit}s, {boxes} boxes, {1000 * seconds / done:.1f} ms each")
    if done and out is not None:
        say(f"results in {out}")
    if stopping.number is not None:
        raise Stopped(stopping.number)
    if frames.problem:
        raise NanodetError(frames.problem)
    return done


def _go_through(frames, detector, sink, progress, few, uncertainty, distributions):
    """Detect objects in all frames; return the number of boxes and the seconds that detection took."""
    boxes, seconds = 0, 0.0
    for frame in frames:
        start = time.perf_counter()
        detections = detector(frame.picture)
        took = time.perf_counter() - start
        boxes, seconds = boxes + len(detections), seconds + took
        drawn = draw(frame.picture, detections, spread=uncertainty)
        sink.write(frame, detections, drawn)
        if distributions:
            from nanodet.visualize import edge_distributions, plot_distributions

            edges = edge_distributions(detector, frame.picture)
            plot_distributions(frame.picture, edges, sink.distributions_of(frame))
        progress.step()
        if few:
            progress.line(f"{frame.name}: {summary(detections)}  {1000 * took:.1f} ms")
    return boxes, seconds


class Show:
    """Shows frames in a window, in place of `Results`; frames of a video at their times.

    Args:
        window: a `Window`.
        source: the `Source` of the frames; it is stopped when the user closes the window.
    """

    def __init__(self, window: Window, source: Source) -> None:
        self._window, self._source = window, source
        self._single = source.kind in ("picture", "pictures")
        self._time_s: float | None = None
        self._shown_s = 0.0

    def write(self, frame: Frame, detections: Detections, drawn: np.ndarray) -> None:
        going = True
        if self._time_s is not None and not self._source.live:
            # the last frame is shown until the time of this one
            left_s = (frame.time_s or 0.0) - self._time_s - (time.monotonic() - self._shown_s)
            going = left_s <= 0 or self._window.wait(left_s, lambda: self._source.stopped)
        self._time_s, self._shown_s = frame.time_s, time.monotonic()
        wait_s = None if self._single else 0.0
        if not going or not self._window.show(drawn, wait_s, lambda: self._source.stopped):
            self._source.stop()

    def close(self) -> None:
        self._window.close()


def summary(detections: Detections) -> str:
    """Return the number of detections per class as text, such as ``4 person, 1 bus``."""
    counts = Counter(detections.name_of(class_id) for class_id in detections.class_id)
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"
