"""The row of each stage in the report, from what was measured."""

from importlib.util import find_spec

import numpy as np

from nanodet.compare.ap import resampled_ap
from nanodet.compare.outputs import failed
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.evaluate.intervals import Resampled
from nanodet.onnx_files.metadata import read_quality
from nanodet.verify.artefacts import Stage
from nanodet.verify.diagnose import ALL_AGREE, Diagnosis
from nanodet.verify.judge import Row, judge_ap, judge_twins, needed_twins, note_ties
from nanodet.verify.run import Measured
from nanodet.verify.specs import (
    chosen_at_export,
    differing_beside,
    differing_quality,
    differing_thresholds,
)
from nanodet.verify.trace_ncnn import changed_scales


def measured_row(
    measured: Measured,
    kind: str,
    diagnosis: Diagnosis,
    truth: Annotations | None,
    reference: Resampled | None,
    generated: bool,
    steady: float,
) -> Row:
    """Return the `Row` of a stage that was run.

    Args:
        measured: the `nanodet.verify.run.Measured` of the stage.
        kind: the one that it is judged as, of `nanodet.verify.judge.ORDER`.
        diagnosis: of the reference.
        truth: annotated images, or None.
        reference: AP of the reference, None without objects.
        generated: whether the images are generated.
        steady: see `nanodet.verify.judge.steady_twins`.
    """
    stage = measured.stage
    row = Row(stage.name, stage.path, stage.kind)
    row.input_max = measured.tensor_max
    row.keys = [key for key, _ in (*measured.preprocessing, *measured.decoding)]
    row.notes = differing_thresholds(stage.backend.spec, diagnosis.reference.spec)
    for key, value in chosen_at_export(stage.backend.spec).items():
        words = value if isinstance(value, str) else f"{value[0]}x{value[1]}"
        row.notes.append(f"{key}: {words}, chosen at export")
    _add_faults(row, measured)
    complete = not measured.decoding_failure and not measured.network_failure
    if complete and measured.twins_of:
        row.twins, row.detections = measured.twins / measured.twins_of, measured.twins_of
    if row.result is not None and row.result.agrees and kind != "int8":
        note_ties(row)
    by_detections = complete and (kind == "int8" or stage.ends_in_boxes)
    needed = needed_twins(kind, steady)
    ap = resampled_ap(truth, measured.detections)
    conclusive = judge_ap(row, stage.backend.spec, kind, ap, reference)
    if by_detections and not conclusive:
        if ap is not None:
            judge_twins(row, needed, "and AP means nothing on so few images", "give more")
        elif truth is not None:
            judge_twins(row, needed, remedy="give images with objects")
        else:
            unsure = "in generated images, which it was not calibrated on"
            judge_twins(row, needed, unsure if generated and kind == "int8" else "")
    row.faults += [("network", line) for line in changed_scales(stage.backend)]
    row.faults += [("network", line) for line in _changed_quality(measured, diagnosis.who)]
    _explain(row, stage, measured.tensor, diagnosis)
    if row.faults:
        row.verdict = "differs"
    return row


def _add_faults(row: Row, measured: Measured) -> None:
    """Add how a stage differs from the reference, part by part, and the result of its raw output."""
    stage = measured.stage
    if stage.hash_problem:
        row.faults.append(("files", stage.hash_problem))
    elif stage.engine == "onnxruntime":
        row.faults += [
            ("spec", text) for _, text in differing_beside(stage.path, stage.backend.spec)
        ]
    row.faults += [("preprocessing", text) for _, text in measured.preprocessing]
    if measured.tensor_max:
        row.faults.append(("preprocessing", _tensors_differ(measured.tensor_max)))
    if not stage.ends_in_boxes:
        row.result = (
            failed(stage.name, measured.errors.tolerance, measured.network_failure)
            if measured.network_failure
            else measured.errors.result(stage.name)
        )
    problem = measured.network_failure or (row.result.problem if row.result else "")
    if problem:
        row.faults.append(("network", problem))
    row.faults += [("decoding", text) for _, text in measured.decoding]
    if measured.box_max:
        row.faults.append(("decoding", _boxes_differ(measured.box_max)))
    if measured.decoding_failure and not measured.decoding:
        row.faults.append(("decoding", measured.decoding_failure))


def _changed_quality(measured: Measured, who: str) -> list[str]:
    """Return lines about a predictor of quality in a graph that is not the reference's."""
    stage = measured.stage
    if not stage.ends_in_boxes or find_spec("onnx") is None:
        return []
    try:
        given = read_quality(stage.path)
    except NanodetError as error:
        return [str(error)]
    return [text for _, text in differing_quality(given, measured.expected.quality, who)]


def _explain(row: Row, stage: Stage, tensor: np.ndarray | None, diagnosis: Diagnosis) -> None:
    """Add lines that name layers, if the network is or may be at fault."""
    parts = {part for part, _ in row.faults}
    unexplained = parts and parts <= {"AP", "detections"}
    if "network" in parts or "files" in parts or unexplained:
        # a model that ends in boxes has no raw output to compare, and the values in one that takes a
        # batch have other sizes
        whole = not stage.ends_in_boxes and not stage.takes_batch
        lines = diagnosis.explain(stage, tensor if whole else None)
        if "network" in parts or unexplained or not lines[:1] == [ALL_AGREE]:
            row.faults += [("network", line) for line in lines]
    elif stage.kind in ("fp32", "fp16", "int8"):
        row.faults += [("network", line) for line in diagnosis.changed_weights(stage)]


def unmeasured_row(stage: Stage, diagnosis: Diagnosis) -> Row:
    """Return the `Row` of a stage that could not be run."""
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


def _tensors_differ(most: float) -> str:
    by = f"by up to {most:.3g}" if np.isfinite(most) else "in size"
    return f"its tensors of the same images differ {by} (normalised values)"


def _boxes_differ(most: float) -> str:
    boxes = f"boxes up to {most:.3g} px away" if np.isfinite(most) else "other boxes"
    return f"it decodes the reference's output to {boxes}"
