"""C++ works out the same shapes of every kind of layer as Python, and refuses the same in its words."""

import json
import subprocess

import ncnn_layers
from ncnn_check import both
from strangers import check_agree

from nanodet import Detector
from nanodet.export.stages import FP32
from nanodet.images.image_file import read_picture


def test_layers(probe, exported_small, tmp_path):
    """None of the graphs is a NanoDet, so that both say which shape their output has."""
    param = tmp_path / "m.param"
    spec = json.loads(exported_small.files[FP32].with_suffix(".json").read_text(encoding="utf-8"))
    spec["input"] |= dict(zip(("width", "height"), ncnn_layers.SIZE, strict=True))
    param.with_suffix(".json").write_text(json.dumps(spec), encoding="utf-8")
    for form, lines, _ in ncnn_layers.SOUND:
        ncnn_layers.write(param, form, lines)
        found, expected = both(probe, param, ncnn_layers.SIZE)
        assert found == expected and ": its output is " in found, lines
    for form, lines, words in ncnn_layers.UNSOUND:
        param.write_text(ncnn_layers.text_of(form, lines))
        found, expected = both(probe, param, ncnn_layers.SIZE)
        assert found == expected and words in found, lines


def test_what_pnnx_made_of_torch(ncnn_option, sanitized_detect, layered_model, picture):
    param, _ = layered_model
    command = [sanitized_detect, param, picture, "--jsonl", "-", "--threads", "1", "--score", "0.3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    image = read_picture(picture)
    expected = Detector(param, threads=1, score=0.3)(image)
    height, width = image.shape[:2]
    assert len(expected)
    check_agree("layers", json.loads(expected.to_json("p", width, height)), json.loads(done.stdout))
