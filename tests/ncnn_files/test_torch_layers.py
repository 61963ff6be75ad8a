"""Layers of torch that pnnx has converted load, and give what torch gives."""

import numpy as np
import pytest
import torch_layers

from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.shapes import blob_shapes
from nanodet.runtime.engines.ncnn import NcnnBackend

# what pnnx makes of the blocks, beside what is in every NanoDet
KINDS = {
    "BatchNorm", "Deconvolution", "DeconvolutionDepthWise", "ELU", "Erf", "Gemm", "GroupNorm",
    "HardSigmoid", "HardSwish", "InnerProduct", "InstanceNorm", "LayerNorm", "MatMul", "MemoryData",
    "Mish", "PReLU", "Padding", "PixelShuffle", "Reduction", "Reorg", "SDPA", "SELU", "Softmax",
    "Softplus", "TanH", "UnaryOp",
}  # fmt: skip


def check(param, output):
    """Load a model and compare what it gives."""
    found = NcnnBackend(param, threads=1).run(torch_layers.image().numpy())
    assert np.abs(found - output).max() < 1e-4 * output.std(0).max()
    shapes = blob_shapes(Graph.load(param), (3, *torch_layers.SIZE), param)
    assert shapes["output"] == output.shape


def test_all_in_one(layered_model):
    param, output = layered_model
    assert {layer.kind for layer in Graph.load(param).layers} >= KINDS
    check(param, output)


@pytest.mark.slow
@pytest.mark.parametrize("name", torch_layers.blocks())
def test_each_alone(tmp_path, name):
    param = tmp_path / "m.param"
    check(param, torch_layers.to_ncnn(torch_layers.network(name), param))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_with_threads(layered_model, precision):
    param, output = layered_model
    found = NcnnBackend(param, threads=3, precision=precision).run(torch_layers.image().numpy())
    allowed = {"fp32": 1e-4, "bf16": 0.5}[precision]
    assert np.abs(found - output).max() < allowed * output.std(0).max()
