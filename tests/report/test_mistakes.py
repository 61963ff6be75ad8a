"""Kinds of false positives and missed objects, and which are chosen."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nanodet.data.records import Annotations, Picture
from nanodet.evaluate.coco_metrics import evaluate_detections
from nanodet.evaluate.score_curves import score_curves
from nanodet.report.mistakes import FALSE, MISSED, UNCERTAIN, Mistake, find_mistakes, pick
from nanodet.report.pictures import choose_mistakes
from nanodet.runtime.detections import Detections

CAT, DOG = 0, 1


def picture(boxes, labels, **more):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return Picture(Path("a.png"), 1, 640, 480, boxes, np.array(labels, np.int64), areas, **more)


def mistakes(truth, found, thresholds=(0.3, 0.3), std=None):
    """Compare (box, label) with (box, score, label)."""
    boxes, labels = zip(*truth, strict=True) if truth else ((), ())
    rows = np.array([(*box, score, label) for box, score, label in found], float).reshape(-1, 6)
    detections = Detections.from_rows(rows)
    detections.edge_std = std
    annotations = Annotations(("cat", "dog"), (1, 2), [picture(boxes, labels)])
    return find_mistakes(annotations, above([detections], thresholds), [detections])


def above(detections, thresholds=(0.3, 0.3)):
    scores = np.array(thresholds, np.float32)
    return [one[one.confidence > scores[one.class_id]] for one in detections]


BOX, HALF_OFF, FAR = (100, 100, 200, 200), (160, 100, 260, 200), (400, 300, 450, 350)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        ([(BOX, 0.9, CAT), ((105, 100, 205, 200), 0.8, CAT)], "duplicate"),
        ([(BOX, 0.9, CAT), (BOX, 0.8, DOG)], "wrong class"),
        ([(HALF_OFF, 0.8, CAT)], "poor box"),
        ([(HALF_OFF, 0.8, DOG)], "wrong class and poor box"),
        ([(FAR, 0.8, CAT)], "background"),
    ],
)
def test_kinds_of_false_positives(found, kind):
    (one,) = mistakes([(BOX, CAT)], found).false
    assert one.kind == kind and kind in FALSE and one.score == pytest.approx(0.8)
    assert (one.other is None) == (kind == "background")


def test_detections_below_the_threshold_of_their_class_are_no_mistakes():
    found = mistakes([], [(FAR, 0.5, CAT), (BOX, 0.5, DOG)], thresholds=(0.6, 0.4))
    assert [one.class_id for one in found.false] == [DOG]


def test_missed_objects_are_ordered_by_size_and_name_the_nearest_detection():
    small, large = (0, 0, 10, 10), (300, 100, 500, 400)
    found = mistakes(
        [(small, CAT), (large, DOG), (BOX, CAT)],
        [(BOX, 0.9, CAT), (large, 0.1, DOG), (BOX, 0.2, DOG)],
    )
    assert [one.box[2] for one in found.missed] == [500, 10] and found.hits == 1
    nearest, none = (one.other for one in found.missed)
    assert (nearest.score, nearest.iou, none) == (pytest.approx(0.1), pytest.approx(1), None)


def test_ignored_regions_excuse_detections_of_their_class():
    region = {
        "ignored": np.array([FAR], np.float32), "ignored_labels": np.array([CAT]),
        "ignored_areas": np.ones(1), "ignored_crowd": np.ones(1, bool),
    }  # fmt: skip
    annotations = Annotations(("cat", "dog"), (1, 2), [picture([], [], **region)])
    rows = np.array([(*FAR, 0.9, CAT), (*FAR, 0.8, DOG)])
    found = find_mistakes(annotations, [Detections.from_rows(rows)], [Detections.from_rows(rows)])
    assert [one.class_id for one in found.false] == [DOG]


def test_a_difficult_object_excuses_its_best_detection_and_leaves_the_others_theirs():
    """The second detection on FAR finds it taken; BOX, the first in the list, stays free for the third."""
    regions = {
        "ignored": np.array([BOX, FAR], np.float32), "ignored_labels": np.array([CAT, CAT]),
        "ignored_areas": np.ones(2), "ignored_crowd": np.zeros(2, bool),
    }  # fmt: skip
    annotations = Annotations(("cat", "dog"), (1, 2), [picture([], [], **regions)])
    rows = np.array([(*FAR, 0.9, CAT), (*FAR, 0.8, CAT), (*BOX, 0.7, CAT), (*BOX, 0.6, CAT)])
    found = find_mistakes(annotations, [Detections.from_rows(rows)], [Detections.from_rows(rows)])
    assert [one.score for one in found.false] == pytest.approx([0.8, 0.6])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**20))
@example(350)  # a second detection on a region that is taken, and a free region before it
def test_false_ones_and_hits_are_those_of_the_curves(seed):
    """A report has both on one page."""
    rng = np.random.default_rng(seed)

    def boxes(count):
        corners = rng.uniform(0, 60, (count, 2))
        return np.concatenate((corners, corners + rng.uniform(10, 40, (count, 2))), axis=1)

    pictures, detections = [], []
    for _ in range(3):
        objects, regions, found = rng.integers(0, 4), rng.integers(0, 4), rng.integers(0, 12)
        truth, ignored = boxes(objects), boxes(regions).astype(np.float32)
        every = np.concatenate((truth, ignored, boxes(1)))
        near = every[rng.integers(0, len(every), found)] + rng.uniform(-4, 4, (found, 4))
        pictures.append(picture(
            truth, rng.integers(0, 2, objects), ignored=ignored,
            ignored_labels=rng.integers(0, 2, regions), ignored_areas=np.ones(regions),
            ignored_crowd=rng.random(regions) < 0.5,
        ))  # fmt: skip
        scores = np.sort(rng.permutation(1000)[:found] / 1000 + 1e-3)[::-1]
        detections.append(Detections(near, scores, rng.integers(0, 2, found)))
    annotations = Annotations(("cat", "dog"), (1, 2), pictures)
    seen = find_mistakes(annotations, above(detections), detections)
    metrics = evaluate_detections(annotations, detections)
    curves, _ = score_curves(metrics.matches, detections, annotations.class_names)
    at = [(curve, curve.at(0.3)) for curve in curves]
    counted = [(c.detections[n], c.precision[n]) for c, n in at if n is not None]
    assert seen.hits == pytest.approx(sum(count * part for count, part in counted))
    assert len(seen.false) == pytest.approx(sum(count * (1 - part) for count, part in counted))


def test_uncertain_boxes_are_ordered_by_their_relative_deviation():
    tiny = (0, 0, 10, 10)
    std = np.array([[5, 1, 1, 1], [2, 1, 1, 1]])
    found = mistakes([(BOX, CAT)], [(BOX, 0.9, CAT), (tiny, 0.8, CAT)], std=std).uncertain
    assert [one.worth for one in found] == pytest.approx([0.2, 0.05])
    assert found[1].other.iou == 1 and found[0].other is None


def test_each_class_has_its_turn():
    ranked = [Mistake("background", 0, BOX, label, 1 - i / 10, 1 - i / 10)
              for i, label in enumerate([CAT, CAT, CAT, DOG, CAT])]  # fmt: skip
    assert [one.class_id for one in pick(ranked, 3)] == [CAT, CAT, DOG]
    assert pick(ranked, 9) == ranked and pick(ranked, 0) == []


@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_what_one_kind_lacks_others_get(count):
    found = mistakes(
        [((x, 0, x + 5, 5), CAT) for x in range(0, 300, 10)], [(FAR, 0.9, CAT), (BOX, 0.9, DOG)],
        std=np.ones((2, 4)),
    )  # fmt: skip
    chosen = choose_mistakes(found, count)
    kinds = Counter(one.kind for one in chosen)
    assert len(chosen) == min(count, 34)
    assert count < 34 or kinds == {"background": 2, MISSED: 30, UNCERTAIN: 2}
