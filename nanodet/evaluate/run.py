"""Runs a detector over a whole data set, and formats its metrics as text."""

import contextlib
import shutil
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from nanodet.config.schema import Evaluator
from nanodet.data.picture import load_picture
from nanodet.data.records import Annotations, Picture
from nanodet.evaluate.coco_metrics import SUMMARY, Metrics, check_pycocotools, evaluate_detections
from nanodet.evaluate.crowd_metrics import CrowdMetrics
from nanodet.evaluate.intervals import TOO_FEW, intervals_of
from nanodet.evaluate.plots import class_values, percent
from nanodet.files import StrPath
from nanodet.runtime.detections import Detections
from nanodet.runtime.detector import Detector
from nanodet.runtime.thresholds import Thresholds
from nanodet.text.printable import printable
from nanodet.text.progress import Progress

AHEAD = 8  # images decoded while the network is busy
READERS = 2


def evaluation_detector(
    path: StrPath, section: Evaluator | None = None, **arguments: Any
) -> Detector:
    """Return a `Detector` with the thresholds for evaluation.

    Args:
        path: model file.
        section: a config's ``evaluator``. None takes that of the checkpoint's config. Exported
            models have none: they get the limits of their spec, except its score, which is meant for
            viewing and too high to measure AP; the default of a config is used instead.
        arguments: further arguments of `Detector`.
    """
    detector = Detector(path, **arguments)
    if section is None and detector.config is not None:
        section = detector.config.evaluator
    if section is None:
        detector.thresholds = Thresholds.of(detector.thresholds, score=Evaluator.score)
    else:
        detector.thresholds = Thresholds.of(section)
    return detector


def evaluate_model(
    detector: Detector, annotations: Annotations, progress: bool = True, intervals: bool = True
) -> tuple[Metrics, list[Detections]]:
    """Run a detector over the annotated images and compare.

    Args:
        detector: a `nanodet.runtime.detector.Detector` with the thresholds for evaluation.
        annotations: an `nanodet.data.records.Annotations` with the detector's classes.
        progress: whether to show the progress on stderr.
        intervals: whether to compute the intervals of AP, about a second for 500 images.

    Returns:
        `Metrics`, and the list of `Detections`, one per image.

    Raises:
        NanodetError: an image cannot be read, or pycocotools is not installed.
    """
    check_pycocotools()  # before the long run
    detections = detect_all(detector, annotations, progress)
    return metrics_of(annotations, detections, intervals), detections


def metrics_of(
    annotations: Annotations, detections: Sequence[Detections], intervals: bool = True
) -> Metrics:
    """Return the `Metrics` of the `Detections` of each annotated image; ``intervals`` as `evaluate_model`."""
    metrics = evaluate_detections(annotations, detections)
    if intervals:
        metrics.intervals = intervals_of(metrics)
    return metrics


def detect_all(
    detector: Detector, annotations: Annotations, progress: bool = True
) -> list[Detections]:
    """Return the `Detections` of each annotated image; arguments as in `evaluate_model`."""
    return detect_by(detector, annotations, [detector.thresholds], progress)[0]


def detect_by(
    detector: Detector,
    annotations: Annotations,
    limits: Sequence[Thresholds],
    progress: bool = True,
) -> list[list[Detections]]:
    """Return the `Detections` of each annotated image, for each of some thresholds.

    The network runs once for all of them, unless the thresholds are in its graph.
    """
    found: list[list[Detections]] = [[] for _ in limits]
    own = detector.thresholds
    shown = Progress(len(annotations.pictures), "image", shown=progress)
    try:
        with contextlib.closing(shown):
            for picture in read_ahead(annotations.pictures):
                tensor, placement = detector.preprocess(picture)
                output = None
                for one, some in zip(limits, found, strict=True):
                    detector.thresholds = one
                    if output is None or detector.spec.form == "boxes":
                        output = detector.run(tensor)
                    some.append(detector.decode(output, placement, picture.shape))
                shown.step()
    finally:
        detector.thresholds = own
    return found


def read_ahead(records: Iterable[Picture]) -> Generator[np.ndarray, None, None]:
    """Yield the images of ``records`` in order, decoding the next ones in the background.

    Raises:
        NanodetError: an image cannot be read or does not have the annotated size, when it is reached.
    """
    pool = ThreadPoolExecutor(READERS)
    waiting: deque[Future[np.ndarray]] = deque()
    try:
        for record in records:
            waiting.append(pool.submit(load_picture, record))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def format_crowd(crowd: CrowdMetrics) -> str:
    """Return the measures of CrowdHuman as text for a terminal, one class per line."""
    names = [printable(one.name) for one in crowd.classes]
    longest = max([len("CrowdHuman"), *map(len, names)])
    lines = [f"{'CrowdHuman':<{longest}} {'objects':>8} {'AP':>6} {'MR^-2':>6} {'JI':>6}"]
    for name, one in zip(names, crowd.classes, strict=True):
        values = " ".join(f"{percent(value):>6}" for value in (one.AP, one.MR, one.JI))
        score = "" if one.JI_score is None else f" (scores above {one.JI_score:.1f})"
        lines.append(f"{name:<{longest}} {one.objects:>8} {values}{score}")
    return "\n".join(lines)


def format_table(
    metrics: Metrics, class_names: Sequence[str] | None = None, width: int | None = None
) -> str:
    """Return the metrics as text for a terminal: CrowdHuman's if known, the summary, then AP per class.

    Args:
        metrics: `Metrics`.
        class_names: names to show instead of the annotations'.
        width: characters in a line; None for those of the terminal.
    """
    width = width or shutil.get_terminal_size((100, 24)).columns
    lines = [] if metrics.crowd is None else [format_crowd(metrics.crowd), "", "COCO's AP:"]
    lines += [
        "".join(f"{name:>8}" for name in (*SUMMARY, "images")),
        "".join(f"{percent(getattr(metrics, name)):>8}" for name in SUMMARY)
        + f"{metrics.images:>8}",
    ]
    found = metrics.intervals
    if found is not None and any(found.summary.values()):
        for end, words in ((1, "95 % interval: from"), (2, "to")):
            ends = (one and one[end] for one in (found.summary[name] for name in SUMMARY))
            lines.append("".join(f"{percent(value):>8}" for value in ends) + f"  {words}")
    elif found is not None and metrics.AP is not None:
        lines.append(TOO_FEW)
    rows = metrics.ap_per_class
    if not rows:
        return "\n".join(lines)
    names = [printable(name) for name in class_names or (row.name for row in rows)]
    longest = max(5, *map(len, names))
    values = [class_values(metrics, i) for i in range(len(rows))]
    wide = max(6, *(len(value) for pair in values for value in pair))
    heads = f"{'class':<{longest}} {'objects':>8} {'AP':>{wide}} {'AP50':>{wide}}"
    cells = [
        f"{name:<{longest}} {row.objects:>8} {first:>{wide}} {second:>{wide}}"
        for name, row, (first, second) in zip(names, rows, values, strict=True)
    ]
    gap = "   "
    columns = max(1, (width + len(gap)) // (len(heads) + len(gap)))
    columns = min(columns, -(-len(cells) // 10))  # a short list stays one column
    height = -(-len(cells) // columns)
    lines += ["", gap.join([heads] * columns)]
    lines += [gap.join(cells[row::height]) for row in range(height)]
    return "\n".join(lines)
