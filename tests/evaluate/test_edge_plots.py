"""Plots of ``nanodet eval --plots``: the figures in them worked out by hand, and the files."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from box_model import BOX, write_box_model

from nanodet.data.records import Annotations, Picture
from nanodet.errors import NanodetError
from nanodet.evaluate.edge_plots import plot_edges, regression_targets, scores_and_ious
from nanodet.evaluate.evaluate import evaluate
from nanodet.evaluate.plots import log_scale, new_figure
from nanodet.runtime.detections import Detections
from nanodet.runtime.detector import Detector

pytest.importorskip("matplotlib")
GREY = np.full((96, 128, 3), 150, np.uint8)
SIZE = np.array([128, 96, 128, 96])


def data(boxes, labels):
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    picture = Picture(Path("a.png"), 1, 128, 96, boxes, np.asarray(labels), np.ones(len(boxes)))
    return Annotations(("dark", "lamp"), (1, 2), [picture])


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return Detector(write_box_model(tmp_path_factory.mktemp("m") / "box.onnx", bins=[1, 3]))


def test_score_and_iou_of_each_detection():
    truth = data([[0, 0, 10, 10], [0, 0, 10, 20]], [0, 1])
    found = Detections(
        [[0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 60, 60]], [0.9, 0.5, 0.2], [0, 1, 0]
    )
    scores, ious = scores_and_ious(truth, [found])
    np.testing.assert_allclose(scores, [0.9, 0.5, 0.2], rtol=1e-6)
    np.testing.assert_allclose(ious, [1, 0.5, 0])
    nothing = scores_and_ious(data([], []), [Detections([[0, 0, 1, 1]], [0.5], [0])])
    assert [values.tolist() for values in nothing] == [[0.5], [0]]


def test_targets_are_distances_of_the_annotation_in_strides(detector):
    """The point is in the middle of its box, two strides (of 8 network pixels) from each edge."""
    found = detector(GREY)
    box = np.array(BOX) + np.array([-8, 0, 0, 4]) / 64
    targets = regression_targets(detector, data([box * SIZE], [1]), [found])
    np.testing.assert_allclose(targets, [[3, 2, 2, 2.5]], atol=1e-5)
    assert regression_targets(detector, data([box * SIZE], [0]), [found]).shape == (0, 4)


def test_the_files_without_anything_matched(detector, tmp_path):
    """With matches: test_uncertainty.py."""
    found = detector(GREY)
    names = ["score_iou.png", "regression_targets.png", "sigma_error.png"]
    truth = data([], [])
    written = plot_edges(detector, truth, [found], tmp_path)
    assert [path.name for path in written] == names
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in written)
    boxes = Detector.__new__(Detector)
    boxes.spec = dataclasses.replace(detector.spec, form="boxes")
    assert [path.name for path in plot_edges(boxes, truth, [found], tmp_path)] == names[:1]


def test_the_folder_is_tried_before_anything_is_read(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NanodetError, match="file"):
        evaluate("no.onnx", ".", "no.json", plots=tmp_path / "file")


@pytest.mark.parametrize("ends, labels", [((2.3, 49), ["5", "10", "20"]), ((2.1, 4.9), ["3", "4"])])
def test_logarithmic_axes_have_plain_numbers_with_room(ends, labels):
    _, axes = new_figure(6, 5)
    axes.plot(ends, ends)
    log_scale(axes, "xy")
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        major = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
        shown = [label.get_text() for at, label in major if low <= at <= high]
        assert set(labels) <= set(shown) and len(shown) <= 6
        assert not any(label.get_text() for label in axis.get_minorticklabels())
