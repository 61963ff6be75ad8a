"""Every exported model beside the checkpoint it came from: what ``nanodet verify`` does."""

import contextlib
import json
import time
from pathlib import Path

import numpy as np

from nanodet.compare.outputs import failed
from nanodet.compare.tensors import COUNT, generated_picture, picture_paths, spread
from nanodet.config.schema import Evaluator
from nanodet.errors import NanodetError
from nanodet.evaluate.source import config_of, given, of_config
from nanodet.evaluate.spread import spread_of_change
from nanodet.runtime.detector import Detector
from nanodet.runtime.files import check_writable, write_text
from nanodet.runtime.ncnn_weights import load_weights
from nanodet.runtime.pictures import read_picture
from nanodet.runtime.progress import Progress
from nanodet.verify import run
from nanodet.verify.artefacts import CHECKPOINTS, find_models, kind_of, open_stages
from nanodet.verify.diagnose import ALL_AGREE, Diagnosis
from nanodet.verify.judge import (
    Row,
    coarser,
    judge_ap,
    judge_twins,
    needed_twins,
    network_tolerance,
    note_ties,
    steady_twins,
)
from nanodet.verify.report import Report
from nanodet.verify.specs import chosen_at_export, differing_thresholds
from nanodet.verify.trace_ncnn import changed_scales

LIMITS = ("score", "nms_iou", "per_level", "per_picture")
CONFIGURED = 500  # pictures that nobody asked for; what the limits of AP are for


def verify(
    reference, models, config=None, images=None, annotations=None, json_path=None, limit=None,
    threads=1, reading=None,
):  # fmt: skip
    """Compare exported models with what they came from, on the same pictures.

    Args:
        reference: ``.ckpt`` or ``.pth`` (needs torch); or an exported ``.param`` or ``.onnx``.
        models: exported models, and folders of them.
        config: config file of a checkpoint that carries none.
        images: folder of pictures; None takes at most `CONFIGURED` of ``data.val`` of the checkpoint's
            config, with its annotations, and generates some where there is none on this machine.
        annotations: of these pictures, as `nanodet.evaluate.evaluate.evaluate` takes them: gives
            AP. Only annotated pictures are used then.
        json_path: file to write the report to; None for none.
        limit: the most pictures, the first ones; None for all.
        threads: CPU threads of each engine. They take turns here, and the waiting threads of some
            take the cores from the next, so one is fastest unless the CPU has cores to spare.
        reading: of the annotations, a `nanodet.data.reading.Reading`; None for the defaults.

    Returns:
        `Report`.

    Raises:
        NanodetError: the reference, a path or an option is wrong. A model that is wrong is a row
            of the report.
    """
    started = time.perf_counter()
    if json_path is not None:
        check_writable(json_path)
    source = given(images, annotations, reading)
    detector = Detector(reference, config, threads=threads)
    if detector.spec.form == "boxes":
        raise NanodetError(f"{reference}: ends in boxes; the reference must give distributions")
    reference = Path(detector.backend.path)
    is_checkpoint = reference.suffix.lower() in CHECKPOINTS
    stages = open_stages(find_models(models, reference), reference, threads)
    words = "generated pictures"
    if source is None:
        source, words = _configured(detector, config, reading, words)
    truth, pictures, count, words = _pictures(detector, source, limit, words)

    kind = _kind(detector.backend)
    who = "the checkpoint" if is_checkpoint else reference.name
    kinds = {stage.name: coarser(kind, stage.kind) for stage in stages}
    tolerances = {name: network_tolerance(one) for name, one in kinds.items()}
    groups = run.group_stages(detector.backend, stages, is_checkpoint, who, tolerances)
    section = Evaluator() if detector.config is None else detector.config.evaluator
    limits = {name: getattr(section, name) for name in LIMITS}
    shown = Progress(count, "picture")
    with contextlib.closing(shown), contextlib.closing(pictures):
        run.run(detector.backend, groups, pictures, limits, shown.step)

    diagnosis = Diagnosis(detector.backend, kind, "torch" if is_checkpoint else who)
    aps = [_ap(truth, group.detections) for group in groups]
    rows = {}
    for group, ap in zip(groups, aps, strict=True):
        steady = steady_twins(group.stages, kinds)
        for measured in group.stages:
            stage = measured.stage
            rows[stage.name] = _row(
                measured, kinds[stage.name], diagnosis, truth, (ap, group.detections),
                generated=source is None, steady=steady,
            )  # fmt: skip
    ordered = [rows.get(stage.name) or _not_measured(stage, diagnosis) for stage in stages]
    report = Report(
        str(reference), "torch" if is_checkpoint else f"reference, {kind}",
        [(group.words, ap) for group, ap in zip(groups, aps, strict=True)],
        ordered, words, time.perf_counter() - started,
    )  # fmt: skip
    if json_path is not None:
        write_text(json_path, json.dumps(report.to_dict(), indent=1, ensure_ascii=False) + "\n")
    return report


def _configured(detector, config, reading, words):
    """Return the `Source` of the checkpoint's own data, else None, and words for what is generated."""
    try:
        if detector.config is not None:
            return of_config(*config_of(detector, config), "val", reading), words
    except NanodetError as error:
        if reading is None or not reading.choices():
            return None, f"{words} ({error})"
        raise
    if reading is not None and reading.choices():
        raise NanodetError(f"{reading.spelled(next(iter(reading.choices())))}: needs --images")
    return None, words


def _pictures(detector, source, limit, words):
    """Return the annotations or None, a generator of pictures, their number, and words for them."""
    if source is None:
        count = min(COUNT, limit or COUNT)
        made = (generated_picture(seed) for seed in range(count))
        return None, made, count, f"{count} {words}"
    if source.annotations is None:
        paths = picture_paths(source.images, source.reading)[:limit]
        return None, (read_picture(path) for path in paths), len(paths), f"{len(paths)} pictures"
    from nanodet.evaluate.run import read_ahead
    from nanodet.evaluate.truth import read_truth

    truth = read_truth(
        detector.spec, detector.backend.path, source.images, source.annotations, source.reading
    )
    found = truth.pictures
    truth.pictures = found[:limit] if limit or source.name is None else spread(found, CONFIGURED)
    count = len(truth.pictures)
    words = f"{count} annotated pictures"
    if source.name is not None:
        words = f"{words}{f' of {len(found)}' if count < len(found) else ''}, {source}"
    return truth, read_ahead(truth.pictures), count, words


def _kind(backend):
    graph = getattr(backend, "graph", None)
    if graph is None:
        return "fp32"
    return kind_of(graph, load_weights(Path(backend.path).with_suffix(".bin"), graph, backend.path))


def _ap(truth, detections):
    if truth is None or len(detections) != len(truth.pictures):
        return None
    from nanodet.evaluate.coco_metrics import evaluate_detections

    return evaluate_detections(truth, detections, per_class=False).AP


def _row(measured, kind, diagnosis, truth, reference, generated, steady):
    """Return the `Row` of a stage that was run.

    Args:
        measured: the `nanodet.verify.run.Measured` of the stage.
        kind: as which it is judged, one of `nanodet.verify.judge.ORDER`.
        diagnosis: of the reference.
        truth: annotated pictures, or None.
        reference: (AP, list of `Detections`) of the reference.
        generated: whether the pictures are drawn.
        steady: see `nanodet.verify.judge.steady_twins`.
    """
    stage = measured.stage
    spec = stage.backend.spec
    row = Row(stage.name, stage.path, stage.kind)
    row.keys = [key for key, _ in (*measured.preprocessing, *measured.decoding)]
    row.notes = differing_thresholds(spec, diagnosis.reference.spec)
    for key, value in chosen_at_export(spec).items():
        words = value if isinstance(value, str) else f"{value[0]}x{value[1]}"
        row.notes.append(f"{key}: {words}, chosen at export")
    row.input_max = measured.tensor_max
    if stage.hash_problem:
        row.faults.append(("files", stage.hash_problem))
    row.faults += [("preprocessing", text) for _, text in measured.preprocessing]
    if measured.tensor_max:
        row.faults.append(("preprocessing", _tensors_differ(measured.tensor_max)))
    if stage.ends_in_boxes:
        if measured.network_failure:
            row.faults.append(("network", measured.network_failure))
    elif measured.network_failure:
        row.result = failed(stage.name, measured.errors.tolerance, measured.network_failure)
        row.faults.append(("network", measured.network_failure))
    else:
        row.result = measured.errors.result(stage.name)
        if not row.result.agrees:
            row.faults.append(("network", row.result.problem))
    row.faults += [("decoding", text) for _, text in measured.decoding]
    if measured.box_max:
        row.faults.append(("decoding", _boxes_differ(measured.box_max)))
    if measured.decoding_failure and not measured.decoding:
        row.faults.append(("decoding", measured.decoding_failure))
    complete = not measured.decoding_failure and not measured.network_failure
    if complete and measured.twins_of:
        row.twins, row.detections = measured.twins / measured.twins_of, measured.twins_of
    if row.result is not None and row.result.agrees and kind != "int8":
        note_ties(row)
    by_detections = complete and (kind == "int8" or stage.ends_in_boxes)
    needed = needed_twins(kind, steady)
    if truth is not None:
        reference_ap, wanted = reference
        found = measured.detections
        told = judge_ap(
            row, spec, kind, _ap(truth, found), reference_ap,
            spread=lambda: spread_of_change(truth, found, wanted),
        )  # fmt: skip
        if by_detections and not told:
            judge_twins(row, needed, "and AP tells nothing on so few pictures", "give more")
    elif by_detections:
        unsure = "in drawn pictures, which it was not calibrated on"
        judge_twins(row, needed, unsure if generated and kind == "int8" else "")
    row.faults += [("network", line) for line in changed_scales(stage.backend)]
    _explain(row, stage, measured.tensor, diagnosis)
    if row.faults:
        row.verdict = "differs"
    return row


def _explain(row, stage, tensor, diagnosis):
    """Add lines that name layers, where the network is or may be at fault."""
    parts = {part for part, _ in row.faults}
    unexplained = parts and parts <= {"AP", "detections"}
    if "network" in parts or "files" in parts or unexplained:
        # one that ends in boxes has nothing behind the network that could be compared, and what
        # flows through one that takes a batch has other sizes
        whole = not stage.ends_in_boxes and not stage.takes_batch
        lines = diagnosis.explain(stage, tensor if whole else None)
        if "network" in parts or unexplained or not lines[:1] == [ALL_AGREE]:
            row.faults += [("network", line) for line in lines]
    elif stage.kind in ("fp32", "fp16", "int8"):
        row.faults += [("network", line) for line in diagnosis.changed_weights(stage)]


def _not_measured(stage, diagnosis):
    row = Row(stage.name, stage.path, stage.kind, "not run")
    if stage.skipped:
        row.notes.append(stage.skipped)
        return row
    row.verdict = "differs"
    if stage.hash_problem:
        row.faults.append(("files", stage.hash_problem))
    row.faults.append(("model", stage.failure))
    if stage.remains is not None:
        row.faults += [("network", line) for line in diagnosis.explain(stage, None)]
    return row


def _tensors_differ(most):
    by = f"by up to {most:.3g}" if np.isfinite(most) else "in size"
    return f"its tensors of the same pictures differ {by} (normalised values)"


def _boxes_differ(most):
    to = f"up to {most:.3g} px away" if np.isfinite(most) else "that are others"
    return f"it decodes the reference's output to boxes {to}"
