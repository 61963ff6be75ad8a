"""The distributions of edges: that they are those of the boxes, and that they are drawn."""

import dataclasses

import cv2
import numpy as np
import pytest
from box_model import BOX, write_box_model

from nanodet import Detector
from nanodet.errors import NanodetError
from nanodet.runtime.fit import place
from nanodet.visualize import (
    check_distributions,
    distributions_of,
    edge_distributions,
    plot_distributions,
)

pytest.importorskip("matplotlib")
GREY = np.full((96, 128, 3), 150, np.uint8)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return Detector(write_box_model(tmp_path_factory.mktemp("m") / "box.onnx", bins=[1, 3]))


def test_they_are_where_the_box_is(detector):
    edges = edge_distributions(detector, GREY)
    assert edges.probabilities.shape == edges.positions.shape == (1, 4, 8)
    np.testing.assert_allclose(edges.probabilities[0, :, [1, 3]], 0.5, atol=1e-6)
    # the mean of a distribution over its positions is the edge, its deviation is edge_std
    means = (edges.probabilities * edges.positions).sum(axis=-1)
    np.testing.assert_allclose(means, edges.found.xyxy, atol=1e-3)
    np.testing.assert_allclose(means[0], np.array(BOX) * [128, 96, 128, 96], atol=1e-3)
    spread = (edges.probabilities * (edges.positions - means[..., None]) ** 2).sum(axis=-1)
    np.testing.assert_allclose(spread**0.5, edges.found.edge_std, rtol=1e-4)
    # the left edge is farther left at a higher bin, the bottom farther down
    assert (np.diff(edges.positions[0, 0]) < 0).all() and (np.diff(edges.positions[0, 3]) > 0).all()


def test_any_placement(detector):
    tensor, _ = detector.preprocess(GREY)
    placement = place("letterbox", (100, 50), (64, 64))
    output = detector.run(tensor)
    found = detector.decode(output, placement, (50, 100))
    edges = distributions_of(output, found, detector.spec, placement)
    means = (edges.probabilities * edges.positions).sum(axis=-1)
    assert means[0, 1] < 0  # above the image: distributions are not clipped, boxes are
    np.testing.assert_allclose(np.clip(means, 0, [100, 50] * 2), found.xyxy, atol=1e-3)


def test_they_are_drawn(detector, tmp_path):
    edges = edge_distributions(detector, GREY)
    plot_distributions(GREY, edges, tmp_path / "one.png", truth=np.array([[20, 18, 90, 70]]))
    assert min(cv2.imread(str(tmp_path / "one.png")).shape[:2]) > 300
    none = edge_distributions(detector, np.zeros_like(GREY))
    assert len(none.found) == 0 and none.positions.shape == (0, 4, 8)
    plot_distributions(GREY, none, tmp_path / "none.png")
    assert (tmp_path / "none.png").stat().st_size > 1000


def test_models_without_are_one_line(detector):
    boxes = dataclasses.replace(detector.spec, form="boxes")
    gaussians = dataclasses.replace(detector.spec, form="gaussians")
    for spec, words in (
        (boxes, "it outputs boxes"),
        (gaussians, r"its edges \(gaussians\) are not"),
    ):
        with pytest.raises(NanodetError, match=rf"m\.onnx: --distributions: {words}"):
            check_distributions(spec, "m.onnx", "--distributions")
