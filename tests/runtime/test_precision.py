"""`Detector` with a precision of its own."""

import numpy as np
import pytest

from nanodet import Detector, NanodetError


def test_only_ncnn_models_have_a_precision(exported_small):
    tensor = np.random.default_rng(0).normal(size=(1, 3, 96, 160)).astype(np.float32)
    param, onnx = exported_small.files["ncnn fp32"], exported_small.files["onnx simplified"]
    outputs = [Detector(param, precision=p).backend.run(tensor) for p in ("fp32", "bf16")]
    error = np.abs(outputs[0] - outputs[1])[:, :3].max()
    assert 1e-6 < error < 0.1
    with pytest.raises(NanodetError, match=r"precision bf16: only an ncnn model \(.param\) has it"):
        Detector(onnx, precision="bf16")
    with pytest.raises(NanodetError, match="precision: must be one of"):
        Detector(param, precision="fp64")
