"""The int8 arrays mean what ncnn takes them for: its own arithmetic is the judge."""

import ncnn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.weights import Stored, weights_to_bytes
from nanodet.quantize.observe import Observed
from nanodet.quantize.quantize import eligible
from nanodet.quantize.rewrite import FP16, INT8, TABLE, rewrite, table_storage
from nanodet.quantize.timing import load

POINTWISE = "Convolution      {name} 1 1 {a} {b} 0=16 1=1 5=1 6=256 9=2 -23310=1,0.1"
DEPTHWISE = "ConvolutionDepthWise {name} 1 1 {a} {b} 0=16 1=3 4=1 5=1 6=144 7=16"
DENSE = "Convolution      {name} 1 1 {a} {b} 0=16 1=3 4=1 5=1 6=2304"


def model(*lines, seed=0):
    """Return a chain of layers and random weights for it."""
    rng = np.random.default_rng(seed)
    text = [line.format(name=f"layer{i}", a=f"b{i}", b=f"b{i + 1}") for i, line in enumerate(lines)]
    text = ["7767517", f"{len(lines) + 1} {len(lines) + 1}", "Input in 0 1 b0", *text]
    graph = Graph.parse("\n".join(text), "chain")
    weights = {}
    for layer in graph.layers[1:]:
        spread = np.repeat(rng.uniform(0.1, 1, 16), layer.whole(6) // 16)
        values = (spread * rng.normal(size=layer.whole(6))).astype(np.float32)
        bias = rng.normal(size=16).astype(np.float32)
        weights[layer.name] = {"weight": Stored("fp32", values), "bias": Stored("plain", bias)}
    return graph, weights


def run(pair, picture, blob):
    extractor = load(*pair).create_extractor()
    extractor.input("b0", ncnn.Mat(picture))
    status, values = extractor.extract(blob)
    assert status == 0
    return np.array(values, np.float32)


def picture_of(seed, positive=False):
    values = np.random.default_rng(seed).normal(size=(16, 9, 7)).astype(np.float32)
    return np.abs(values) if positive else values


def observed(graph, picture, means=None):
    mean = picture.mean(axis=(1, 2)) if means is None else means
    return {layer.name: Observed(picture.shape, None, mean) for layer in graph.layers[1:]}


@given(seed=st.integers(0, 1000), threshold=st.floats(0.5, 4))
@settings(max_examples=25)
def test_a_pointwise_layer_computes_the_textbook_formula(seed, threshold):
    graph, weights = model(POINTWISE, seed=seed)
    picture = picture_of(seed)
    pair = rewrite(
        graph,
        weights,
        {"layer0": INT8},
        {"layer0": threshold},
        observed(graph, picture, np.zeros(16)),
    )
    w = weights["layer0"]["weight"].values.reshape(16, 16)
    w_scale = 127 / np.abs(w).max(axis=1, keepdims=True)
    q_w = np.rint(w * w_scale)
    # half away from zero, as ncnn rounds, and clipped
    scaled = picture * np.float32(127 / threshold)
    q_x = np.clip(np.trunc(scaled + np.copysign(0.5, scaled)), -127, 127)
    y = np.einsum("oi,ihw->ohw", q_w, q_x) / (w_scale[:, :, None] * 127 / threshold)
    y = y + weights["layer0"]["bias"].values[:, None, None]
    wanted = np.where(y > 0, y, 0.1 * y)
    # a value that lies on the border between two levels may fall to either side
    close = np.isclose(run(pair, picture, "b1"), wanted, atol=1e-3)
    assert close.mean() > 0.98


@pytest.mark.parametrize("kind", [POINTWISE, DEPTHWISE, DENSE])
def test_each_kind_is_near_floating_point(kind):
    graph, weights = model(kind)
    picture = picture_of(1)
    threshold = {"layer0": float(np.abs(picture).max())}
    pair = rewrite(graph, weights, {"layer0": INT8}, threshold, observed(graph, picture))
    full, ours = (run(p, picture, "b1") for p in ((graph, weights), pair))
    limit = 0.06 if kind == DENSE else 0.02  # six bits where ncnn may use winograd
    assert np.abs(full - ours).max() < limit * np.abs(full).max()
    assert np.abs(full - ours).max() > 0


def test_weights_of_winograd_layers_have_six_bits():
    graph, weights = model(DENSE)
    picture = picture_of(1)
    _, made = rewrite(graph, weights, {"layer0": INT8}, {"layer0": 3.0}, observed(graph, picture))
    assert np.abs(made["layer0"]["weight"].data).max() == 31


class TestRequantising:
    """Two int8 layers in a row: the first hands over int8."""

    def pair(self, last=INT8):
        graph, weights = model(POINTWISE, DEPTHWISE, POINTWISE)
        picture = picture_of(2)
        precisions = {"layer0": INT8, "layer1": INT8, "layer2": last}
        thresholds = {
            f"layer{i}": float(np.abs(run((graph, weights), picture, f"b{i}")).max())
            for i in range(3)
        }
        pair = rewrite(graph, weights, precisions, thresholds, observed(graph, picture))
        return (graph, weights), pair, picture

    def terms(self, graph):
        return [layer.whole(8) for layer in graph.layers[1:]]

    def test_the_terms_say_so(self):
        _, (graph, weights), _ = self.pair()
        assert self.terms(graph) == [101, 101, 1]
        assert weights["layer0"]["output_scale"].data == weights["layer1"]["input_scale"].data
        _, (graph, weights), _ = self.pair(last=FP16)
        assert self.terms(graph) == [101, 1, 0]
        assert "output_scale" not in weights["layer1"]

    def test_it_computes_the_same_as_a_float_between(self):
        before, fused, picture = self.pair()
        graph, weights = fused
        graph = Graph.parse(graph.to_text(), "copy")
        for layer in graph.layers[1:]:
            layer.values[8] = "1"
        apart = {
            name: {k: v for k, v in parts.items() if k != "output_scale"}
            for name, parts in weights.items()
        }
        a, b = run(fused, picture, "b3"), run((graph, apart), picture, "b3")
        assert np.abs(a - b).max() < 0.02 * np.abs(a).max()
        full = run(before, picture, "b3")
        assert np.abs(a - full).max() < 0.1 * np.abs(full).max()


def test_the_bias_takes_back_what_rounding_adds_on_average():
    graph, weights = model(POINTWISE)
    pictures = [picture_of(seed, positive=True) for seed in range(20)]
    means = np.mean([p.mean(axis=(1, 2)) for p in pictures], axis=0)
    errors = []
    for known in (means, np.zeros(16)):
        seen = observed(graph, pictures[0], known)
        _, made = rewrite(graph, weights, {"layer0": INT8}, {"layer0": 4.0}, seen)
        parts = made["layer0"]
        w = parts["weight"].data.reshape(16, 16) / parts["weight_scales"].data[:, None]
        ours = w @ means + parts["bias"].data
        full = weights["layer0"]["weight"].values.reshape(16, 16) @ means
        errors.append(np.abs(ours - full - weights["layer0"]["bias"].data).max())
    assert errors[0] < 1e-5 < errors[1]


@given(seed=st.integers(0, 1000), count=st.integers(1, 5000))
@settings(max_examples=30)
def test_a_table_loses_little(seed, count):
    values = np.random.default_rng(seed).normal(size=count).astype(np.float32)
    stored = table_storage(values)
    assert (stored.table.shape, stored.data.dtype) == ((256,), np.uint8)
    error = np.abs(stored.values - values)
    if count <= 256:
        assert error.max() == 0
    # a uniform step over the range would lose range / 256 / sqrt(12)
    assert np.sqrt(np.mean(error**2)) <= (values.max() - values.min()) / 256 / np.sqrt(12) + 1e-7


@pytest.mark.parametrize(("precision", "limit"), [(FP16, 2e-3), (TABLE, 1e-6)])
def test_stored_layers_compute_in_floating_point(precision, limit):
    graph, weights = model(POINTWISE, DEPTHWISE)
    picture = picture_of(3)
    pair = rewrite(graph, weights, {"layer0": precision, "layer1": precision}, {}, {})
    full, ours = (run(p, picture, "b2") for p in ((graph, weights), pair))
    # up to 256 weights, as here, a table holds exactly
    assert np.abs(full - ours).max() < limit * np.abs(full).max()
    assert len(weights_to_bytes(*pair)) != len(weights_to_bytes(graph, weights))
    assert [layer.whole(8) for layer in pair[0].layers[1:]] == [0, 0]


def test_layers_that_pick_channels_are_left_as_they_are():
    graph, weights = model(POINTWISE, POINTWISE)
    pick = np.eye(16, dtype=np.float32).ravel()
    weights["layer1"]["weight"] = Stored("fp32", pick)
    assert [layer.name for layer in eligible(graph, weights, "m.param")] == ["layer0"]
