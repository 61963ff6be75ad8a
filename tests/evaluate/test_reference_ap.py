"""The AP of the original's checkpoint on all 500 images, through the command: minutes."""

import json

import pytest

from nanodet.cli.main import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ap(shared, root, coco_mini, tmp_path_factory):
    """A function: model file and arguments to AP."""
    out = tmp_path_factory.mktemp("ap") / "ap.json"
    data = ["--images", coco_mini / "images", "--annotations", coco_mini / "annotations.json"]

    def measure(model, *arguments):
        command = ["eval", model, *data, "--json", out, *arguments]
        assert main([str(word) for word in command]) == 0
        content = json.loads(out.read_text())
        assert content["images"] == 500
        return content["AP"]

    return measure


def test_fit_own_is_the_originals_ap(shared, root, ap):
    checkpoint = shared / "weights" / "nanodet-m_320.ckpt"
    assert ap(checkpoint, "--config", root / "config/nanodet-m.yml") == pytest.approx(19.8, abs=0.1)


def test_letterbox_is_the_same_in_torch_onnx_and_ncnn(shared, root, ap, tmp_path):
    checkpoint, config = shared / "weights" / "nanodet-m_320.ckpt", root / "config/nanodet-m.yml"
    command = ["export", checkpoint, "--config", config, "--out", tmp_path]
    assert main([str(word) for word in command]) == 0
    values = [
        ap(checkpoint, "--config", config, "--fit", "letterbox", "--size", "320x320"),
        ap(tmp_path / "nanodet-m_320.onnx"),
        ap(tmp_path / "nanodet-m_320.param"),
    ]
    assert min(values) >= 19.4
    assert max(values) - min(values) <= 0.05
