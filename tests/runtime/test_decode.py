"""Decoding against a plain loop that follows the paper's text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import NANODET_M

from nanodet import Detections
from nanodet.runtime.box_codes import Bins, expectations, variances
from nanodet.runtime.decode import decode, nms_per_class
from nanodet.runtime.spec import Spec
from nanodet.runtime.thresholds import Thresholds

NAMES = ("a", "b", "c")


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(w, 0) * max(h, 0)
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (area - shared) if area - shared > 0 else 0.0


def by_hand(output, spec, size, scores, threshold, per_level, per_picture, agnostic):
    """Decode point by point and box by box, in float64; ``scores`` are those of the classes."""
    candidates, start = [], 0
    for stride in spec.strides:
        columns, rows = -(-size[0] // stride), -(-size[1] // stride)
        level = []
        for point in range(columns * rows):
            row, column = divmod(point, columns)
            values = output[start + point].astype(np.float64)
            x, y = (column + spec.point_offset) * stride, (row + spec.point_offset) * stride
            edges = []
            for edge in range(4):
                bins = spec.reg_max + 1
                logits = values[len(NAMES) + edge * bins :][:bins]
                p = np.exp(logits - logits.max())
                edges.append(stride * (p * np.arange(bins)).sum() / p.sum())
            box = (x - edges[0], y - edges[1], x + edges[2], y + edges[3])
            for label in range(len(NAMES)):
                if values[label] > scores[label]:
                    level.append((values[label], label, box))
        level.sort(key=lambda c: -c[0])
        candidates += level[:per_level]
        start += columns * rows
    candidates.sort(key=lambda c: -c[0])
    kept = []
    for candidate in candidates:
        rivals = [k for k in kept if agnostic or k[1] == candidate[1]]
        if all(iou(candidate[2], k[2]) <= threshold for k in rivals):
            kept.append(candidate)
    return kept[:per_picture]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(64, 64), (96, 32), (32, 128)]),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from([(0.05, 0.6, 1000, 100), (0.5, 0.3, 5, 7), (0.9, 0.9, 1000, 3)]),
    st.booleans(),
    st.sampled_from([None, (0.1, 0.7, 1.0)]),
)
def test_decoding_equals_the_definition(seed, size, offset, limits, agnostic, scores):
    rng = np.random.default_rng(seed)
    form = NANODET_M | {"point_offset": offset}
    spec = Spec(class_names=NAMES, class_agnostic_nms=agnostic, **form)
    output = rng.normal(0, 2, (spec.point_count(size), spec.channels)).astype(np.float32)
    output[:, :3] = rng.random((len(output), 3)) ** 3
    given = dict(zip(("score", "nms_iou", "per_level", "per_picture"), limits, strict=True))
    found = decode(output, spec, size, Thresholds.of(spec, **given, class_scores=scores))
    scores = scores or [limits[0]] * 3
    expected = by_hand(output, spec, size, scores, *limits[1:], agnostic)
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.confidence, [c[0] for c in expected], rtol=1e-6)
    assert found.class_id.tolist() == [c[1] for c in expected]
    np.testing.assert_allclose(found.xyxy, [c[2] for c in expected], atol=1e-2)


def test_two_classes_on_one_object():
    spec = Spec(class_names=NAMES, **NANODET_M)
    output = np.zeros((spec.point_count((64, 64)), spec.channels), np.float32)
    output[:, 3:].reshape(-1, 4, 8)[..., 2] = 50  # every edge two strides away
    output[9, :2] = 0.6, 0.8
    assert decode(output, spec, (64, 64)).class_id.tolist() == [1, 0]
    over_all = Thresholds.of(spec, class_agnostic_nms=True)
    assert decode(output, spec, (64, 64), over_all).class_id.tolist() == [1]
    spec.class_agnostic_nms = True
    assert decode(output, spec, (64, 64)).class_id.tolist() == [1]
    within = Thresholds.of(spec, class_agnostic_nms=False)
    assert decode(output, spec, (64, 64), within).class_id.tolist() == [1, 0]


def test_a_score_for_all_classes_replaces_those_of_each():
    spec = Spec(class_names=NAMES, class_scores=(0.9, 0.5, 0.7), **NANODET_M)
    output = np.zeros((spec.point_count((64, 64)), spec.channels), np.float32)
    output[9, :3] = 0.6, 0.8, 0.7
    assert decode(output, spec, (64, 64)).class_id.tolist() == [1]  # above 0.7, in float32
    again = Thresholds.of(spec, score=0.65)
    assert again.class_scores is None and spec.class_scores == Thresholds.of(spec).class_scores
    assert decode(output, spec, (64, 64), again).class_id.tolist() == [1, 2]


def test_nothing_above_the_threshold_is_an_empty_result():
    spec = Spec(class_names=NAMES, **NANODET_M)
    output = np.zeros((spec.point_count((32, 32)), spec.channels), np.float32)
    found = decode(output, spec, (32, 32))
    assert len(found) == 0
    assert found.xyxy.shape == (0, 4)


def test_classes_never_suppress_each_other_even_outside_the_picture():
    box = [[-50.0, -50, 10, 10], [-50, -50, 10, 10], [300, 300, 370, 370]]
    kept = nms_per_class(
        np.array(box, np.float32), np.array([0.9, 0.8, 0.7]), np.array([0, 1, 0]), 0.5
    )
    assert kept.tolist() == [0, 1, 2]


def test_boxes_without_area_suppress_only_what_lies_on_them():
    box = np.array([[5, 5, 9, 5], [5, 5, 9, 5], [100, 100, 100, 180], [5, 5, 9, 5]], np.float32)
    kept = nms_per_class(box, np.array([0.9, 0.8, 0.7, 0.6]), np.array([0, 1, 0, 0]), 0.5)
    assert kept.tolist() == [0, 1, 2]


def test_edges_of_a_sure_and_an_undecided_distribution():
    logits = np.zeros((1, 4, 8), np.float32)
    logits[0, 0, 5] = 100
    logits[0, 1, 2] = logits[0, 1, 3] = 100
    values = logits.reshape(1, 32)
    np.testing.assert_allclose(expectations(values, Bins(7))[0], [5, 2.5, 3.5, 3.5], rtol=1e-5)
    np.testing.assert_allclose(variances(values, Bins(7))[0], [0, 0.25, 5.25, 5.25], atol=1e-4)


def test_detections_filter_like_arrays():
    found = Detections(np.arange(12).reshape(3, 4), [0.9, 0.5, 0.1], [0, 1, 1], NAMES)
    assert len(found[found.confidence > 0.3]) == 2
    assert found[2].confidence.tolist() == pytest.approx([0.1])
    assert found[:2].class_id.tolist() == [0, 1]
    assert found.name_of(1) == "b"
    assert found.name_of(7) == "7"
    with pytest.raises(ValueError, match="lengths differ"):
        Detections([[0, 0, 1, 1]], [0.5, 0.6], [0])
