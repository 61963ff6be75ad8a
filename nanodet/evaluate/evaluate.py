"""The AP of a model file on annotated images: what ``nanodet eval`` does."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.evaluate.calibrate import (
    calibrate,
    check_calibratable,
    format_calibration,
    write_factors,
)
from nanodet.evaluate.coco_metrics import Metrics, check_pycocotools, match_at_50
from nanodet.evaluate.crowd_metrics import crowd_metrics
from nanodet.evaluate.edge_plots import PLOTS, plot_edges
from nanodet.evaluate.ground_truth import AnnotatedImages, data_of, given, of_config
from nanodet.evaluate.plots import new_figure, plot_score_curves
from nanodet.evaluate.run import detect_by, evaluation_detector, metrics_of
from nanodet.evaluate.score_curves import ScoreCurve, score_curves
from nanodet.evaluate.uncertainty import format_uncertainty, matched_edges, measure
from nanodet.evaluate.wish import (
    KEEP,
    NONE,
    OPTION,
    Scores,
    Wish,
    as_shown,
    choose,
    kept,
)
from nanodet.evaluate.wish_spec import check_wish, write_scores
from nanodet.evaluate.wish_text import format_scores
from nanodet.files import StrPath
from nanodet.files.files import check_folder_writable, check_writable, write_text
from nanodet.files.incoming import is_file
from nanodet.hub.catalogue import CATALOGUE
from nanodet.runtime.detections import Detections
from nanodet.runtime.detector import Detector
from nanodet.runtime.thresholds import MOST_BOXES, Thresholds
from nanodet.text import Say
from nanodet.text.printable import say

SCORES = "scores.png"


def evaluate(
    model: StrPath,
    images: StrPath | None = None,
    annotations: StrPath | None = None,
    reading: Reading | None = None,
    json_path: StrPath | None = None,
    config: StrPath | None = None,
    show: Callable[[Metrics], None] | None = None,
    uncertainty: bool = False,
    calibrate_seed: int | None = None,
    plots: StrPath | None = None,
    wish: str | None = None,
    report: Say = lambda line: None,
    **options: Any,
) -> Metrics:
    """Evaluate a model at the thresholds of its config's ``evaluator``.

    Args:
        model: ``.ckpt``, ``.pth``, ``.onnx`` or ``.param`` file.
        images: folder of the images; None takes ``data.val`` of the model's config.
        annotations: COCO's JSON or CrowdHuman's .odgt file, or a folder of VOC's XML or YOLO's text files.
        reading: the `nanodet.data.reading.Reading`; None for the defaults.
        json_path: file to write the results to; None for none.
        config: config file of a checkpoint that contains none; for an exported model, the one whose
            ``data.val`` is taken, see `nanodet.evaluate.ground_truth.data_for`.
        show: called with the `Metrics`, before ``json_path`` is written: shown even if that fails.
        uncertainty: whether to compare the standard deviations of edges, as the model states them, with
            their true errors, see `nanodet.evaluate.uncertainty.Uncertainty`.
        calibrate_seed: fit factors for them, checked on halves chosen by this seed, and write them
            into the specs of the exported model, see `nanodet.evaluate.calibrate`; None: do not.
        plots: folder for `SCORES`, precision, recall and F1 over the score, and for the plots of
            `nanodet.evaluate.edge_plots`; None for none.
        wish: find a score threshold per class, for ``precision=0.9``, ``recall=0.8`` or ``f1``, and write
            them into the specs of the exported model, see `nanodet.evaluate.wish`; ``keep`` measures
            those it has, ``none`` removes them; None does neither.
        report: called with texts, of several lines each, about edges and scores.
        options: further arguments of `nanodet.runtime.detector.Detector`.

    Returns:
        `Metrics`, with CrowdHuman's measures if the annotations are an ``.odgt`` file.

    Raises:
        NanodetError: anything the user can fix, before the long run where possible.
    """
    check_pycocotools()
    if json_path is not None:
        check_writable(json_path)
    if plots is not None:
        check_folder_writable(plots)
        new_figure(1, 1)  # is matplotlib there?
    source = given(images, annotations, reading)
    if source is not None and annotations is None:
        raise NanodetError("--images: needs --annotations to measure AP")
    wanted = None if wish is None else Wish.parse(wish)
    writes = None if wanted is None or wanted.measure == KEEP else wanted
    writing = {"--calibrate": calibrate_seed is not None, OPTION: writes is not None}
    _check_not_published(model, writing)
    detector = evaluation_detector(model, config=config, **options)
    _check_own_input(detector, model, writing)
    if uncertainty:
        detector.spec.check_uncertainty(model, "--uncertainty")
    if calibrate_seed is not None:
        check_calibratable(model, detector.spec)
    if writes is not None:
        check_wish(model, detector.spec, writes)
    if source is None:
        data, file = data_of(detector, config)
        source = of_config(data, file, "val", reading)
        say(source, file=sys.stderr)
    found = source.read(detector.class_names, detector.backend.path)
    limits = [detector.thresholds]
    if wanted is not None:
        limits.append(_limits(wanted, detector))
    detections, *others = detect_by(detector, found, limits)
    metrics = metrics_of(found, detections)
    if source.kind == "OdgtDataset":
        metrics.crowd = crowd_metrics(found, detections)
    if show is not None:
        show(metrics)
    results: dict[str, Any] = {**metrics.to_dict()}
    if uncertainty:
        compared = measure(matched_edges(found, detections, detector.spec), detector.spec.strides)
        results["uncertainty"] = compared.to_dict()
        report(format_uncertainty(compared))
    if calibrate_seed is not None:
        fitted = calibrate(found, detections, detector.spec, calibrate_seed, model)
        results["calibration"] = fitted.to_dict()
        report(format_calibration(fitted))
    chosen = None
    if wanted is not None or plots is not None:
        curves = score_curves(metrics.matches, detections, found.class_names)
        if wanted is not None:
            chosen = _scores(wanted, found, others[0], curves[1], detector, model)
            report(format_scores(chosen))
            results["wish"] = chosen.to_dict()
        if plots is not None:
            scores = None if chosen is None else chosen.class_scores
            plot_score_curves(*curves, Path(plots) / SCORES, scores)
            report(str(Path(plots) / SCORES))
            _plot_edges(detector, found, detections, plots, model, report)
    if json_path is not None:
        write_text(json_path, json.dumps(results) + "\n")
    if calibrate_seed is not None:
        for path in write_factors(model, fitted.factors, fitted.summary()):
            report(f"{path}: factors written")
    if writes is not None and chosen is not None:
        _write_scores(model, chosen, len(found.pictures), source, report)
    return metrics


def _check_not_published(model: StrPath, writing: Mapping[str, bool]) -> None:
    for option, writes in writing.items():
        if writes and str(model) in CATALOGUE and not is_file(model):
            raise NanodetError(
                f"{model}: {option}: a published model in the cache is not changed; give a copy of its files"
            )


def _check_own_input(detector: Detector, model: StrPath, writing: Mapping[str, bool]) -> None:
    """Refuse to write what was measured at another input than that of the spec, which it would be used at."""
    spec = detector.spec
    if (detector.size, detector.fit) == (spec.input_size, spec.fit):
        return
    width, height = spec.input_size
    for option, writes in writing.items():
        if writes:
            raise NanodetError(
                f"{model}: {option}: writes into its spec, which is for {width}x{height}, {spec.fit}: leave "
                "out --size and --fit, or export it for them"
            )


def _limits(wanted: Wish, detector: Detector) -> Thresholds:
    """Return the thresholds of the detections that a wish is measured on.

    Those that choose are not limited to the best of an image: boxes of a class with a low threshold would be
    left out for those of other classes, below their thresholds.
    """
    if wanted.measure == KEEP:
        return Thresholds.of(detector.spec)
    if wanted.measure == NONE:
        return Thresholds.of(detector.spec, score=detector.spec.score)
    if detector.spec.form == "boxes":  # the graph limits them before anything else
        return detector.thresholds
    return Thresholds.of(detector.thresholds, per_level=MOST_BOXES, per_picture=MOST_BOXES)


def _scores(
    wanted: Wish,
    found: Annotations,
    detections: Sequence[Detections],
    together: ScoreCurve,
    detector: Detector,
    model: StrPath,
) -> Scores:
    """Return the thresholds of a wish, and what they are worth.

    Args:
        detections: by `_limits`.
        together: the curve of all classes, with the same threshold.
    """
    curves = _curves(found, detections)
    if wanted.measure in (KEEP, NONE):
        return kept(*curves, detector.spec, wanted.measure)
    chosen = choose(wanted, curves[0], together, detector.thresholds.score, model)
    shown = Thresholds.of(detector.spec, class_scores=chosen.class_scores)
    return as_shown(chosen, _curves(found, detect_by(detector, found, [shown])[0])[0])


def _curves(
    found: Annotations, detections: Sequence[Detections]
) -> tuple[list[ScoreCurve], ScoreCurve]:
    return score_curves(match_at_50(found, detections), detections, found.class_names)


def _plot_edges(
    detector: Detector,
    found: Annotations,
    detections: Sequence[Detections],
    folder: StrPath,
    model: StrPath,
    report: Say,
) -> None:
    drawn = plot_edges(detector, found, detections, folder)
    for path in drawn:
        report(str(path))
    if len(drawn) < len(PLOTS):
        report(f"{model}: its edges ({detector.spec.form}) have no other plots")


def _write_scores(
    model: StrPath, chosen: Scores, images: int, source: AnnotatedImages, report: Say
) -> None:
    assert source.annotations is not None
    record = chosen.summary(images, source.annotations, source.reading.list_path)
    done = "removed" if chosen.wish.measure == NONE else "written"
    for path in write_scores(model, chosen, record):
        report(f"{path}: scores {done}")
