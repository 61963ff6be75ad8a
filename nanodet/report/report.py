"""From a run or a model to one HTML page: what ``nanodet report`` does."""

import os
import sys
from pathlib import Path

from nanodet.config.load import read_mapping
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import check_pycocotools
from nanodet.evaluate.crowd_metrics import crowd_metrics
from nanodet.evaluate.ground_truth import AnnotatedImages, data_of, given, of_config
from nanodet.evaluate.run import detect_by, evaluation_detector, metrics_of
from nanodet.files import StrPath
from nanodet.files.files import check_writable, write_text
from nanodet.report.forms import read_verified
from nanodet.report.page import model_page
from nanodet.report.results import measured_of
from nanodet.report.speed import Speed, measure_speed, read_speed
from nanodet.report.subject import Subject, find_subject
from nanodet.report.training import read_training
from nanodet.runtime.engines import CHECKPOINT, kind_of
from nanodet.runtime.thresholds import Thresholds
from nanodet.text.printable import say

PICTURES = 100
NAME = "report.html"


def report(
    given_model: StrPath,
    images: StrPath | None = None,
    annotations: StrPath | None = None,
    reading: Reading | None = None,
    *,
    out: StrPath | None = None,
    config: StrPath | None = None,
    exports: StrPath | None = None,
    pictures: int = PICTURES,
    bench: StrPath | None = None,
    verified: StrPath | None = None,
    timed: bool = True,
) -> Path:
    """Measure a model and write the page.

    Args:
        given_model: a run folder of ``nanodet train``, a model file or the name of a published model.
        images, annotations, reading: as `nanodet.evaluate.evaluate.evaluate` takes them; None takes
            ``data.val`` of the model's config.
        out: the HTML file; None writes `NAME` into the run folder, or ``STEM-report.html`` beside a model.
        config: as `nanodet.evaluate.evaluate.evaluate` takes it.
        exports: folder of the exported forms, see `nanodet.report.subject.find_subject`.
        pictures: the most images to show, 0 for none.
        bench: JSON of ``nanodet bench``, such as one of a board; None times the model here.
        verified: JSON of ``nanodet verify``.
        timed: whether to time the model, unless ``bench`` has its times.

    Returns:
        the file written.

    Raises:
        NanodetError: anything the user can fix, before the long run where possible.
    """
    check_pycocotools()
    source = given(images, annotations, reading)
    if source is not None and source.annotations is None:
        raise NanodetError("--images: needs --annotations to measure AP")
    subject = find_subject(given_model, exports)
    path = Path(out) if out is not None else _default(subject, given_model)
    check_writable(path)
    if config is not None and kind_of(config) is not CHECKPOINT:
        read_mapping(config)  # with images given, nothing else would tell that it cannot be read
    speed = None if bench is None else read_speed(bench)
    verification = None if verified is None else read_verified(verified)
    detector = evaluation_detector(subject.model, config=config)
    of_val = source is None
    if source is None:
        source = of_config(*data_of(detector, config), "val", reading)
        say(source, file=sys.stderr)
    found = source.read(detector.class_names, detector.backend.path)
    shown = subject.shipped_spec or detector.spec  # whose thresholds a user of the page will see
    limits = [detector.thresholds, Thresholds.of(shown)]
    detections, above = detect_by(detector, found, limits)
    metrics = metrics_of(found, detections)
    if source.kind == "OdgtDataset":
        metrics.crowd = crowd_metrics(found, detections)
    measured = measured_of(shown, found, detections, above, metrics, _words(source))
    if speed is None and timed:
        speed = _timed(_to_time(subject), config)
    training = read_training(subject, detector, config, measured.annotations if of_val else None)
    page = model_page(
        subject, detector.spec, measured, detections, training, speed, verification, pictures
    )
    write_text(path, page.html())
    return path


def _default(subject: Subject, given_model: StrPath) -> Path:
    if subject.run is not None:
        return subject.run / NAME
    beside = subject.model.parent if os.path.exists(given_model) else Path()  # not into the cache
    return beside / f"{subject.model.stem}-{NAME}"


def _words(source: AnnotatedImages) -> str:
    listed = f", of `{Path(source.reading.list_path).name}`" if source.reading.list_path else ""
    name = f"{source.name.split(' of ')[0]}, " if source.name is not None else ""
    return f"{name}`{source.annotations}`{listed}"


def _timed(models: list[Path], config: StrPath | None) -> Speed | None:
    """Time models; None if one cannot be, such as an .onnx without onnxruntime: the page goes without."""
    try:
        return measure_speed(models, config)
    except NanodetError as error:
        say(f"not timed: {error}", file=sys.stderr)
        return None


def _to_time(subject: Subject) -> list[Path]:
    """Return the model and its forms that take one image at once; those shipped if there are any."""
    forms = [one.path for one in subject.forms if one.spec is not None and one.spec.batch == 1]
    if kind_of(subject.model) is CHECKPOINT and forms:
        return forms
    return list(dict.fromkeys([subject.model, *forms]))
