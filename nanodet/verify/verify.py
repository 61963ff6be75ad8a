"""Compares exported models with the checkpoint they came from: what ``nanodet verify`` does."""

import contextlib
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import numpy as np

from nanodet.compare.ap import resampled_ap
from nanodet.compare.tensors import COUNT, generated_picture, picture_paths, spread
from nanodet.config.schema import Evaluator
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.evaluate.ground_truth import AnnotatedImages, data_of, given, of_config
from nanodet.files import StrPath
from nanodet.files.files import check_writable, write_text
from nanodet.images.image_file import read_picture
from nanodet.ncnn_files.weights import load_known_weights
from nanodet.runtime.detector import Detector
from nanodet.runtime.engines import CHECKPOINT, files_of, kind_of
from nanodet.runtime.engines.backend import Backend
from nanodet.runtime.thresholds import Thresholds
from nanodet.text.printable import json_text
from nanodet.text.progress import Progress
from nanodet.verify import run
from nanodet.verify.artefacts import find_models, open_stages, storage_of
from nanodet.verify.diagnose import Diagnosis
from nanodet.verify.judge import coarser, network_tolerance, steady_twins
from nanodet.verify.report import Report
from nanodet.verify.rows import measured_row, unmeasured_row

CONFIGURED = 500  # images if the user gives none; as many as the limits of AP are meant for


def verify(
    reference: StrPath,
    models: StrPath | Iterable[StrPath],
    config: StrPath | None = None,
    images: StrPath | None = None,
    annotations: StrPath | None = None,
    *,
    json_path: StrPath | None = None,
    limit: int | None = None,
    threads: int | None = 1,
    reading: Reading | None = None,
    show: Callable[[Report], object] | None = None,
) -> Report:
    """Compare exported models with what they came from, on the same images.

    Args:
        reference: ``.ckpt`` or ``.pth`` (needs torch); or an exported ``.param`` or ``.onnx``.
        models: exported models and folders of them, several or one.
        config: config file of a checkpoint that contains none.
        images: folder of images; None takes at most `CONFIGURED` of ``data.val`` of the checkpoint's
            config, with its annotations, and generates some if that is missing on this machine.
        annotations: of these images, as `nanodet.evaluate.evaluate.evaluate` takes them: gives
            AP. Only annotated images are used then.
        json_path: file to write the report to; None for none.
        limit: the most images, the first ones; None for all.
        threads: CPU threads of each engine. The engines take turns, and idle threads of some keep cores
            busy, so one is fastest unless the CPU has cores to spare.
        reading: of the annotations, a `nanodet.data.reading.Reading`; None for the defaults.
        show: called with the `Report`, before ``json_path`` is written: shown even if that fails.

    Returns:
        `Report`.

    Raises:
        NanodetError: the reference, a path or an option is wrong. A faulty model is a row of
            the report.
    """
    started = time.perf_counter()
    if json_path is not None:
        check_writable(json_path)
    source = given(images, annotations, reading)
    detector = Detector(reference, config, threads=threads)
    if detector.spec.form == "boxes":
        raise NanodetError(f"{reference}: ends in boxes; the reference must output distributions")
    reference = Path(detector.backend.path)
    is_checkpoint = kind_of(reference) is CHECKPOINT
    models = find_models(models, reference)
    if not models:
        raise NanodetError(f"nothing to compare: no model but the reference itself ({reference})")
    stages = open_stages(models, reference, threads)
    words = "generated images"
    if source is None:
        source, words = _configured(detector, config, reading, words)
    truth, pictures, count, words = _pictures(detector, source, limit, words)

    kind = _kind(detector.backend)
    who = "the checkpoint" if is_checkpoint else reference.name
    kinds = {stage.name: coarser(kind, stage.kind) for stage in stages}
    tolerances = {name: network_tolerance(one) for name, one in kinds.items()}
    groups = run.group_stages(detector.backend, stages, is_checkpoint, who, tolerances)
    section = Evaluator() if detector.config is None else detector.config.evaluator
    limits = Thresholds.of(section)
    shown = Progress(count, "image")
    with contextlib.closing(shown), contextlib.closing(pictures):
        run.run(detector.backend, groups, pictures, limits, shown.step)

    diagnosis = Diagnosis(detector.backend, kind, "torch" if is_checkpoint else who)
    aps = [resampled_ap(truth, group.detections) for group in groups]
    rows = {}
    for group, ap in zip(groups, aps, strict=True):
        steady = steady_twins(group.stages, kinds)
        for measured in group.stages:
            stage = measured.stage
            rows[stage.name] = measured_row(
                measured, kinds[stage.name], diagnosis, truth, ap,
                generated=source is None, steady=steady,
            )  # fmt: skip
    ordered = [rows.get(stage.name) or unmeasured_row(stage, diagnosis) for stage in stages]
    report = Report(
        str(reference),
        reference_name="torch" if is_checkpoint else f"reference, {kind}",
        groups=[
            (group.words, None if ap is None else ap.value())
            for group, ap in zip(groups, aps, strict=True)
        ],
        intervals=[None if ap is None else ap.interval() for ap in aps],
        rows=ordered,
        pictures=words,
        seconds=time.perf_counter() - started,
    )
    if show is not None:
        show(report)
    if json_path is not None:
        write_text(json_path, json_text(report.to_dict(), indent=1) + "\n")
    return report


def _configured(
    detector: Detector, config: StrPath | None, reading: Reading | None, words: str
) -> tuple[AnnotatedImages | None, str]:
    """Return the `AnnotatedImages` of the checkpoint's data or None, and in words what was generated."""
    try:
        if detector.config is not None:
            return of_config(*data_of(detector, config), "val", reading), words
    except NanodetError as error:
        if reading is None or not reading.choices():
            return None, f"{words} ({error})"
        raise
    if reading is not None and reading.choices():
        raise NanodetError(f"{reading.spelled(next(iter(reading.choices())))}: needs --images")
    return None, words


def _pictures(
    detector: Detector, source: AnnotatedImages | None, limit: int | None, words: str
) -> tuple[Annotations | None, Generator[np.ndarray, None, None], int, str]:
    """Return the annotations or None, a generator of images, their number, and their description."""
    if source is None:
        count = min(COUNT, limit or COUNT)
        made = (generated_picture(seed) for seed in range(count))
        return None, made, count, f"{count} {words}"
    if source.annotations is None:
        paths = picture_paths(source.images, source.reading)[:limit]
        return None, (read_picture(path) for path in paths), len(paths), f"{len(paths)} images"
    from nanodet.evaluate.run import read_ahead

    truth = source.read(detector.class_names, detector.backend.path)
    found = truth.pictures
    configured = source.name is not None and not limit
    truth.pictures = list(spread(found, CONFIGURED)) if configured else found[:limit]
    count = len(truth.pictures)
    words = f"{count} annotated images"
    if source.name is not None:
        words = f"{words}{f' of {len(found)}' if count < len(found) else ''}, {source}"
    return truth, read_ahead(truth.pictures), count, words


def _kind(backend: Backend) -> str:
    graph = getattr(backend, "graph", None)
    if graph is None:
        return "fp32"
    return storage_of(graph, load_known_weights(files_of(backend.path)[1], graph, backend.path))
