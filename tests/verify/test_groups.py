"""What models are decoded with, before any is run."""

import dataclasses
from types import SimpleNamespace

import numpy as np
from specs import NANODET_M

from nanodet.compare.boxes import box_difference
from nanodet.compare.outputs import FULL
from nanodet.export.onnx_nms import boxes_spec
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import Spec
from nanodet.verify.run import group_stages

SIZE = (64, 64)
SPACED = Spec(
    ("a",), SIZE, score=0.05, bin_spacing=0.5, any_size=True,
    quality=QualityPredictor(1, 1, (0.5,) * 8, (0.1,), (1.0,), -1.0), **NANODET_M,
)  # fmt: skip
GAUSSIAN = Spec(("a",), SIZE, score=0.05, form="gaussians", **NANODET_M)


def test_a_graph_with_boxes_is_compared_with_the_bins_of_the_reference():
    stage = SimpleNamespace(
        name="onnx with boxes", failure="", backend=SimpleNamespace(spec=boxes_spec(SPACED))
    )
    (group,) = group_stages(SimpleNamespace(spec=SPACED), [stage], False, "it", {stage.name: FULL})
    assert group.spec.bin_spacing == 0.5  # the reference's output is decoded with it
    assert group.stages[0].decoding == []


def test_other_class_names_are_no_other_boxes():
    for spec in (SPACED, GAUSSIAN):
        output = np.random.default_rng(0).normal(0, 2, (spec.point_count(SIZE), spec.channels))
        output[:, 0] = 0.5
        output = output.astype(np.float32)
        renamed = dataclasses.replace(spec, class_names=("b",))
        for other in (renamed, boxes_spec(renamed)):
            assert box_difference(output, other, spec, SIZE) == 0
        moved = dataclasses.replace(spec, point_offset=0.25)
        assert box_difference(output, boxes_spec(moved), spec, SIZE) > 1
