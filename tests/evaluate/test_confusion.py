"""The confusion matrix counts what was taken for what."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nanodet.data.records import Annotations, Picture
from nanodet.evaluate.confusion import confusion_matrix
from nanodet.evaluate.overlap import box_iof, box_iou
from nanodet.runtime.detections import Detections

A, B, C = [0, 0, 10, 10], [100, 0, 120, 20], [200, 200, 240, 240]


def one(boxes, labels, ignored=(), ignored_labels=()):
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    ignored = np.asarray(ignored, np.float32).reshape(-1, 4)
    record = Picture("a.jpg", 1, 640, 480, boxes, np.asarray(labels, np.int64), np.ones(len(boxes)))
    record.ignored, record.ignored_labels = ignored, np.asarray(ignored_labels, np.int64)
    record.ignored_crowd, record.ignored_areas = np.ones(len(ignored), bool), np.ones(len(ignored))
    return Annotations(("a", "b"), (1, 2), [record])


def test_iou_of_known_boxes():
    np.testing.assert_allclose(box_iou([A], [A, [5, 0, 15, 10], B]), [[1, 1 / 3, 0]])
    np.testing.assert_allclose(box_iof([A], [[0, 0, 5, 10], [0, 0, 100, 100]]), [[0.5, 1]])
    assert box_iou([[3, 3, 3, 3]], [[3, 3, 3, 3]]) == 0
    assert box_iou(np.zeros((0, 4)), [A]).shape == (0, 1)


def test_right_wrong_missed_and_invented():
    found = [Detections([A, B, C], [0.9, 0.8, 0.7], [0, 0, 1])]
    matrix = confusion_matrix(one([A, B, [300, 300, 330, 330]], [0, 1, 1]), found)
    assert matrix.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]


def test_an_object_is_found_once_and_its_own_class_comes_first():
    assert confusion_matrix(one([A], [0]), [Detections([A, A], [0.9, 0.8], [0, 0])])[2, 0] == 1
    near = [0, 0, 10, 9]  # the other object fits better, but is of another class
    matrix = confusion_matrix(one([A, near], [0, 1]), [Detections([near], [0.9], [0])])
    assert matrix.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_ignored_regions_excuse_their_class_only():
    inside = [[210, 210, 220, 220], [215, 205, 230, 215]]
    found = [Detections(inside, [0.9, 0.8], [0, 1])]
    assert confusion_matrix(one([], [], [C], [0]), found).tolist() == [[0] * 3, [0] * 3, [0, 1, 0]]


def test_a_difficult_object_excuses_the_best_box_on_it():
    near = [200, 200, 240, 236]
    found = [Detections([C, near, [210, 210, 220, 220]], [0.9, 0.8, 0.7], [0, 0, 0])]
    truth = one([], [], [C], [0])
    assert confusion_matrix(truth, found)[2, 0] == 0
    truth.pictures[0].ignored_crowd[:] = False
    assert confusion_matrix(truth, found)[2, 0] == 2
    truth = one([C], [0], [near], [0])  # the first finds the object, and leaves the region free
    truth.pictures[0].ignored_crowd[:] = False
    assert confusion_matrix(truth, found).tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_low_scores_and_empty_pictures_count_nothing():
    assert confusion_matrix(one([], []), [Detections([A], [0.1], [0])]).sum() == 0
    assert confusion_matrix(one([A], [0]), [Detections.empty()]).sum() == 1
    # as everywhere: a score counts above the threshold
    for score, count in ((0.25, 0), (0.2, 1)):
        found = [Detections([A], [0.25], [0])]
        assert confusion_matrix(one([], []), found, score=score).sum() == count


boxes = st.lists(st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(1, 30)] * 2), max_size=6)


@settings(max_examples=60, deadline=None)
@given(boxes, boxes, st.integers(0, 2**16))
def test_every_object_and_every_detection_is_counted_once(truth, found, seed):
    rng = np.random.default_rng(seed)
    corners = [np.array(b, float).reshape(-1, 4) for b in (truth, found)]
    for part in corners:
        part[:, 2:] += part[:, :2]
    labels, classes = (rng.integers(0, 2, len(part)) for part in corners)
    detections = Detections(corners[1], rng.uniform(0.4, 1, len(classes)), classes)
    matrix = confusion_matrix(one(corners[0], labels), [detections])
    np.testing.assert_array_equal(matrix.sum(axis=1)[:2], np.bincount(labels, minlength=2))
    np.testing.assert_array_equal(matrix.sum(axis=0)[:2], np.bincount(classes, minlength=2))
