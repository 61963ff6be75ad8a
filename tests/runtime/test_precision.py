"""`Detector` with a precision of its own."""

from dataclasses import replace

import hostile_models
import hostile_tables
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


def test_layers_that_ncnn_cannot_run_in_16_bits(exported_small, tmp_path):
    """In groups of several channels, and with a mask that keeps some in fp32, it reads beyond its memory."""
    model = hostile_models.Model.load(exported_small.files["ncnn fp32"])
    grouped = hostile_tables.first("ConvolutionDepthWise d 1 1 data first 0=3 1=1 6=9 7=1")
    one = hostile_models.fit_weights(replace(model, graph=grouped(model.graph)), model)
    param = one.write(tmp_path / "grouped.param")
    Detector(param)
    with pytest.raises(
        NanodetError, match="layer d: ncnn cannot run convolutions in groups in bf16"
    ):
        Detector(param, precision="bf16")
    masked = model.graph.replace(b" 11=3 ", b" 11=3 31=4 ")
    assert masked != model.graph
    tensor = np.random.default_rng(0).normal(size=(1, 3, 96, 160)).astype(np.float32)
    outputs = [
        Detector(one.write(tmp_path / "m.param"), precision="bf16").backend.run(tensor)
        for one in (model, replace(model, graph=masked))
    ]
    assert np.array_equal(*outputs)
