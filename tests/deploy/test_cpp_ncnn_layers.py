"""C++ works out the same shapes of every kind of layer as Python, and refuses the same in its words."""

import json

import ncnn_layers
from ncnn_check import both

from nanodet.export.stages import FP32


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
