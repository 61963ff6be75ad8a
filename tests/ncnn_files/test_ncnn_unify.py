"""ncnn NanoDets of other converters: brought into the form with one output, by the graph alone."""

import dataclasses
import re
from pathlib import Path

import ncnn
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanodet import NanodetError
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.layout import Form
from nanodet.ncnn_files.shapes import blob_shapes
from nanodet.ncnn_files.unify import unify
from nanodet.ncnn_files.weights import load_weights, weights_to_bytes


def run(graph, weights, tensor, blobs):
    """What ncnn gives for some blobs of a graph."""
    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_fp16_storage = net.opt.use_fp16_packed = net.opt.use_fp16_arithmetic = False
    assert net.load_param_mem(graph.to_text()) == 0
    assert net.load_model(str(weights)) == 0
    extractor = net.create_extractor()
    extractor.set_light_mode(False)
    extractor.input(graph.inputs()[0], ncnn.Mat(tensor))
    return [np.array(extractor.extract(blob)[1]) for blob in blobs]


def noise(height, width):
    return np.random.default_rng(0).standard_normal((3, height, width), np.float32)


SIDES = st.integers(1, 6).map(lambda n: 32 * n)


class TestOldGraph:
    """The file of ncnn's own examples: input ``input.1``, six outputs named by numbers."""

    @pytest.fixture
    def param(self, shared):
        return shared / "weights" / "nanodet-m_320.param"

    @given(height=SIDES, width=SIDES)
    @settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_same_values_at_every_size(self, param, height, width):
        old = Graph.load(param)
        new, form = unify(old, param)
        assert form == Form(80, 7, (8, 16, 32))
        assert (new.inputs(), new.outputs()) == (["data"], ["output"])
        tensor, weights = noise(height, width), param.with_suffix(".bin")
        parts = run(old, weights, tensor, ["792", "795", "814", "817", "836", "839"])
        wanted = np.vstack([np.hstack(parts[i : i + 2]) for i in (0, 2, 4)])
        (found,) = run(new, weights, tensor, ["output"])
        assert np.array_equal(found, wanted)

    def test_weights_stay_as_they_are(self, param):
        old = Graph.load(param)
        text = old.to_text()
        new, _ = unify(old, param)
        assert old.to_text() == text
        data = param.with_suffix(".bin")
        weights = load_weights(data, new, param)
        assert weights_to_bytes(new, weights) == data.read_bytes()

    def test_shapes_are_ncnn_s(self, param):
        graph = Graph.load(param)
        shapes = blob_shapes(graph, (3, 96, 160), param)
        found = run(graph, param.with_suffix(".bin"), noise(96, 160), graph.blobs())
        # a blob that a layer works on in place has its shape, too
        assert {b: m.shape for b, m in zip(graph.blobs(), found, strict=True)} == shapes


def test_maps_of_four_levels(shared):
    """A NanoDet-Plus: scores with channels first, distributions with channels last."""
    param = shared / "weights" / "nanodet-plus-m_320.param"
    old = Graph.load(param)
    new, form = unify(old, param)
    assert form == Form(80, 7, (8, 16, 32, 64))
    names = [f"{part}{s}" for s in form.strides for part in ("cls", "dis")]
    parts = run(old, param.with_suffix(".bin"), noise(96, 160), names)
    wanted = np.vstack(
        [
            np.hstack((scores.reshape(80, -1).T, edges.reshape(-1, 32)))
            for scores, edges in zip(parts[::2], parts[1::2], strict=True)
        ]
    )
    (found,) = run(new, param.with_suffix(".bin"), noise(96, 160), ["output"])
    assert np.array_equal(found, wanted)


def test_graph_for_benchmarks(shared):
    """One more converter: channels cut by Crop, the outputs held together by a Noop."""
    param = shared / "peers" / "nanodet_m.param"
    new, form = unify(Graph.load(param), param)
    assert form == Form(80, 7, (8, 16, 32))
    assert new.outputs() == ["output"]


class TestOurs:
    @pytest.fixture
    def param(self, exported_small):
        return exported_small.files["ncnn fp32"]

    def test_stays_as_it_is(self, param):
        graph = Graph.load(param)
        new, form = unify(graph, param)
        assert new.to_text() == graph.to_text()
        assert form == Form(3, 7, (8, 16, 32))

    def test_names_and_sizes_of_pnnx(self, param):
        """As pnnx leaves it: in0, out0, and the points of the size it converted at."""
        text = Graph.load(param).to_text()
        counts = iter((240, 60, 15))
        fixed = re.sub("0=-1 1=35", lambda match: f"0={next(counts)} 1=35", text)
        fixed = re.sub(r"\boutput\b", "out0", re.sub(r"\bdata\b", "in0", fixed))
        assert next(counts, None) is None
        new, _ = unify(Graph.parse(fixed, "a.param"), "a.param")
        assert new.to_text() == text

    def test_other_names(self, param):
        new, _ = unify(Graph.load(param), param, "x", "y")
        assert (new.inputs(), new.outputs()) == (["x"], ["y"])
        (found,) = run(new, param.with_suffix(".bin"), noise(96, 160), ["y"])
        (same,) = run(Graph.load(param), param.with_suffix(".bin"), noise(96, 160), ["output"])
        assert np.array_equal(found, same)

    def test_a_blob_that_is_already_called_so(self, param):
        graph = Graph.load(param)
        inner = graph.layers[3].outputs[0]
        new, _ = unify(graph, param, input_name=inner)
        assert new.inputs() == [inner]
        assert np.array_equal(
            run(new, param.with_suffix(".bin"), noise(32, 64), ["output"])[0],
            run(graph, param.with_suffix(".bin"), noise(32, 64), ["output"])[0],
        )


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("yolov4-tiny", "layer 3_49: Crop has no parameter 2"),
            ("FastestDet", "Softmax is not known in a NanoDet"),
            ("yolo-fastestv2", "Softmax is not known in a NanoDet"),
            ("mobilenet_ssd", "Flatten is not known in a NanoDet"),
        ],
    )
    def test_other_detectors(self, shared, name, words):
        param = shared / "peers" / f"{name}.param"
        with pytest.raises(NanodetError, match=words) as caught:
            unify(Graph.load(param), param)
        assert str(caught.value).startswith(str(param))

    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            (
                "Sigmoid a 1 1 data x",
                r"not a NanoDet: for 160x96 it has an output x \(3 x 96 x 160\)",
            ),
            (
                "Convolution a 1 1 data x 0=4 1=3 6=107",
                "layer a: 107 weights do not fit its 3 input channels",
            ),
            (
                "Convolution a 1 1 data x 0=4 1=0 6=108",
                "layer a: parameter 1: .* cannot work with 0",
            ),
            (
                "Convolution a 1 1 data x 0=4 1=3 3=0 6=108",
                "layer a: parameter 3: .* cannot work with 0",
            ),
            ("Slice a 1 2 data x y -23300=2,2,2", "layer a: cannot cut 3 into"),
            ("ShuffleChannel a 1 1 data x 0=2", "layer a: cannot shuffle 3 channels"),
            ("Permute a 1 1 data x 0=6", "layer a: has no order 6"),
            ("Reshape a 1 1 data x 0=7 1=3", "layer a: cannot make"),
            ("Interp a 1 1 data x 3=20 4=0", "layer a: is made for one input size alone"),
            ("Interp a 1 1 data x 3=20 4=20", "not a NanoDet: for 160x96 it has an output x"),
            ("Interp a 1 1 data x 1=0 2=0", "layer a: cannot scale by 0"),
            ("Interp a 1 1 data x 1=nan", "layer a: parameter 1: must be of numbers"),
            ("Interp a 1 1 data x 1=2,0.5", "layer a: parameter 1: must be of numbers"),
            ("Interp a 1 1 data x 3=2.5 4=20", "layer a: parameter 3: must be of whole numbers"),
            ("Pooling a 1 1 data x 7=1", "layer a: cannot work on 3 x 96 x 160"),
            ("Pooling a 1 1 data x 1=999 2=2", "layer a: its kernel is larger than 3 x 96 x 160"),
            ("Concat a 1 1 data x 0=3", "layer a: has no axis 3"),
            ("BinaryOp a 0 1 x", "layer a: BinaryOp cannot work on 0 inputs"),
        ],
    )
    def test_made_up_graphs(self, lines, words):
        count = 1 + len(lines.splitlines())
        text = f"7767517\n{count} 9\nInput in 0 1 data\n{lines}\n"
        with pytest.raises(NanodetError, match=words) as caught:
            unify(Graph.parse(text, "made-up.param"), "made-up.param")
        assert str(caught.value).startswith("made-up.param: ")

    def test_no_sigmoid(self, exported_small):
        """Without one and without class names, a distribution is taken to have 8 bins; it is said."""
        param = exported_small.files["ncnn fp32"]
        graph = Graph.parse(Path(param).read_text().replace("Sigmoid", "ReLU"), param)
        _, form = unify(graph, param)
        assert (form.classes, form.reg_max, form.sigmoid) == (3, 7, False)
        assert form.guessed == "its 35 channels are 3 classes and 4 x 8 bins"
        _, form = unify(graph, param, classes=7)
        assert (form.classes, form.reg_max, form.guessed) == (7, 6, "")
        with pytest.raises(NanodetError, match="not a NanoDet: 33 channels for four"):
            unify(graph, param, classes=2)

    def test_one_of_six_outputs_missing(self, shared):
        param = shared / "weights" / "nanodet-m_320.param"
        graph = Graph.load(param)
        del graph.layers[-6:]  # the last level ends in its convolution
        with pytest.raises(NanodetError, match="not a NanoDet: for 160x96 it has outputs 792 "):
            unify(graph, param)

    @given(st.data())
    @settings(max_examples=60)
    def test_damaged_lines_are_one_line(self, exported_small, data):
        """Whatever a number is changed to: a graph that fits together, or one line."""
        graph = Graph.load(exported_small.files["ncnn fp32"])
        layer = data.draw(st.sampled_from([one for one in graph.layers if one.values]))
        key = data.draw(st.sampled_from(sorted(layer.values)))
        if key < 0:
            values = data.draw(st.lists(st.integers(-300, 300), min_size=1, max_size=3))
            layer.values[key] = ",".join(map(str, [len(values), *values]))
        else:
            layer.values[key] = str(data.draw(st.integers(-300, 300)))
        try:
            _, form = unify(graph, "x.param")
        except NanodetError as error:
            assert "\n" not in str(error)
            assert str(error).startswith("x.param: ")
        else:
            assert dataclasses.astuple(form)[2] == (8, 16, 32)
