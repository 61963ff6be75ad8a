"""What chance explains is no fault: a few edges of a rounded stage, AP on few images."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from faults import edit_weights
from specs import NANODET_M

from nanodet.compare.ap import resampled_ap
from nanodet.compare.outputs import HALF, Errors, compare_stages
from nanodet.compare.tensors import picture_tensors
from nanodet.compare.twins import NEEDED
from nanodet.data.records import Annotations, Picture
from nanodet.export.stages import FP16, FP32
from nanodet.runtime.detections import Detections
from nanodet.runtime.engines.ncnn import NcnnBackend
from nanodet.runtime.spec import Spec
from nanodet.verify.judge import Row, judge_ap, judge_twins, steady_twins

SPEC = Spec(class_names=("a", "b"), **NANODET_M)
KINDS = ("fp32", "fp16", "bf16", "int8")


def annotated(count):
    """Images with objects of two classes, and detections somewhere near them."""
    rng = np.random.default_rng(count)
    pictures, found = [], []
    for i in range(count):
        corners = rng.uniform(0, 200, (4, 2))
        boxes = np.hstack([corners, corners + rng.uniform(20, 80, (4, 2))]).astype(np.float32)
        labels = np.arange(4) % 2
        pictures.append(Picture(Path(f"{i}.png"), i, 300, 300, boxes, labels, np.full(4, 900.0)))
        near = boxes + rng.normal(0, 2, boxes.shape).astype(np.float32)
        found.append(Detections(near, rng.uniform(0.3, 1, 4), labels))
    return Annotations(("a", "b"), (None, None), pictures), found


def shifted(one, by):
    return Detections(one.xyxy + np.float32(by), one.confidence, one.class_id)


def measured(truth, stage, reference):
    """Return AP of a stage and of the reference, each with its resamples."""
    return tuple(resampled_ap(truth, found) for found in (stage, reference))


def judged(figures, kind="int8", spec=SPEC):
    """Return the row of a stage, and whether AP told anything."""
    row = Row("stage", "stage.param", kind)
    return row, judge_ap(row, spec, kind, *figures)


def test_the_largest_error_of_sharp_distributions_is_no_fault(exported_small, tmp_path):
    """Long training makes them so sharp that 16-bit weights move a few edges by pixels."""

    def sharpen(weights, graph):
        for layer in ("conv_111", "conv_114", "conv_117"):
            for part, stored in weights[layer].items():
                data = stored.data.copy()
                # behind the rows of 3 classes
                data.reshape(35, -1)[3:] *= data.dtype.type(150)
                weights[layer][part] = replace(stored, data=data)

    backends = []
    for one in (FP32, FP16):
        source = exported_small.files[one]
        for suffix in (".param", ".bin", ".json"):
            shutil.copy(source.with_suffix(suffix), tmp_path)
        edit_weights(tmp_path / source.name, sharpen)
        backends.append(NcnnBackend(tmp_path / source.name, 1, strict=False))
    full, half = backends
    tensors = picture_tensors(full.spec.at_size((320, 256)), count=16)
    (result,) = compare_stages(full, {FP16: half}, tensors, {FP16: HALF})
    assert result.agrees
    assert result.edge_max > 1 and result.edge_most < 0.01 and result.matched > 0.999


@pytest.mark.parametrize("count", [5, 8, 24])
def test_another_box_in_one_picture_is_chance(count):
    truth, found = annotated(count)
    figures = measured(truth, [shifted(found[0], 15), *found[1:]], found)
    for kind in KINDS:
        row, told = judged(figures, kind)
        assert row.ap_change < -1
        assert not told and row.faults == [] and "may be chance" in row.notes[0]


@pytest.mark.parametrize("count", [5, 8, 24])
def test_a_loss_in_all_pictures_is_none(count):
    truth, found = annotated(count)
    figures = measured(truth, [shifted(one, 8) for one in found], found)
    for kind in KINDS:
        row, told = judged(figures, kind)
        assert told and row.notes == []
        ((part, text),) = row.faults
        assert part == "AP" and "but the reference has" in text and "by chance)" in text


def test_the_budget_of_a_quantised_model_is_its_limit():
    truth, found = annotated(24)
    figures = measured(truth, [shifted(one, 2) for one in found], found)
    row, _ = judged(figures)
    assert row.faults and row.ap_change > -40
    generous = Spec(class_names=("a", "b"), measured={"int8": {"max_drop": 40}}, **NANODET_M)
    row, told = judged(figures, spec=generous)
    assert told and not row.faults and "its own budget" in row.notes[0]


def test_one_picture_tells_nothing_by_ap():
    """Where AP is silent, detections that are others are a fault all the same."""
    truth, found = annotated(1)
    row, told = judged(measured(truth, [shifted(found[0], 90)], found))
    assert not told and row.faults == []
    for twins, faults, notes in ((0.1, 1, 0), (0.7, 0, 1), (1.0, 0, 0)):
        row = Row("stage", "stage.param", "int8", twins=twins)
        judge_twins(row, 0.9, "and AP means nothing on so few images", "give more")
        assert (len(row.faults), len(row.notes)) == (faults, notes)
        assert (row.verdict == "not judged") == bool(notes)


def test_objects_in_one_picture_alone():
    truth, found = annotated(3)
    for picture in truth.pictures[1:]:
        picture.boxes, picture.labels, picture.areas = (
            np.zeros((0, 4)),
            np.zeros(0, int),
            np.zeros(0),
        )
    ours = resampled_ap(truth, found)
    assert ours.interval() is None and ours.minus(ours) is None


def test_no_objects_tell_nothing_by_ap():
    truth, found = annotated(1)
    truth.pictures[0] = replace(
        truth.pictures[0], boxes=np.zeros((0, 4)), labels=np.zeros(0, int), areas=np.zeros(0)
    )
    figures = measured(truth, found, found)
    row, told = judged(figures)
    assert figures == (None, None) and not told and row.ap is None and not row.faults


def test_twins_that_ties_make_differ_are_no_fault():
    """Where 32-bit forms share few twins, many boxes score alike, and twins tell little or nothing."""
    row = Row("int8", "m-int8.param", "int8", twins=0.8, detections=100)
    judge_twins(row, NEEDED)
    assert row.faults
    for needed, verdict in ((0.75, "agrees"), (0.3, "not judged")):
        row = Row("int8", "m-int8.param", "int8", twins=0.8, detections=100)
        judge_twins(row, needed)
        assert row.verdict == verdict and not row.faults


@pytest.mark.parametrize("detected, steady", [((98, 100), 0.98), ((0, 0), 1.0)])
def test_the_noise_of_32_bits_tells_what_ties_do(detected, steady):
    errors = Errors(SPEC)
    output = np.zeros((20, 2 + 32), np.float32)
    errors.add(output, output, (32, 32))

    def stage(name, kind, twins, of, boxes=False):
        backend = SimpleNamespace(spec=SPEC)
        stage = SimpleNamespace(name=name, kind=kind, ends_in_boxes=boxes, backend=backend)
        return SimpleNamespace(
            stage=stage, twins=twins, twins_of=of, network_failure="", errors=errors
        )

    stages = [stage("full", "fp32", *detected), stage("half", "fp16", 50, 100),
              stage("boxes", "fp32", 10, 100, True)]  # fmt: skip
    assert steady_twins(stages, {one.stage.name: one.stage.kind for one in stages}) == steady
