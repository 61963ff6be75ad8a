"""Damaged and foreign model files: one line, never a crash. ncnn runs in a process that may end."""

import json
import random
import shutil

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ncnn_worker import Worker, mutated, vouch
from onnx import TensorProto, helper
from specs import NANODET_M

from nanodet import Detector, NanodetError
from nanodet.export.stages import FP32
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.shapes import blob_shapes
from nanodet.ncnn_files.weight_parts import layout
from nanodet.runtime.spec import ONNX_METADATA_KEY, Spec

SIZE = (160, 96)


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def copy(exported_small, tmp_path):
    """The ncnn and ONNX files of a small model, for damage."""
    for path in exported_small.files[FP32].parent.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    return tmp_path / "small.param"


def weights_for(text, rng, otherwise):
    """Return the bytes of a ``.bin`` that a graph asks for, where it asks for what can be."""
    try:
        graph = Graph.parse(text, "m")
        parts = [part for layer in graph.layers for part in layout(layer, "m")]
    except NanodetError:
        return otherwise
    if sum(count for _, count, _ in parts) > 5_000_000:
        return otherwise
    numbers, chunks = np.random.default_rng(rng.randrange(1 << 30)), []
    for _, count, tagged in parts:
        if tagged and rng.random() < 5e-4:  # int8 where floats are wanted
            chunks.append((0x000D4B38).to_bytes(4, "little") + bytes(-(-count // 4) * 4))
        else:
            chunks.append(bytes(4 * tagged) + numbers.normal(0, 0.1, count).astype("<f4").tobytes())
    return b"".join(chunks)


@pytest.mark.parametrize("examples", [150, pytest.param(4000, marks=pytest.mark.slow)])
def test_no_fault_of_a_graph_crashes(exported_small, worker, tmp_path_factory, examples):
    param = exported_small.files[FP32]
    text, weights = param.read_text(), param.with_suffix(".bin").read_bytes()
    folder = tmp_path_factory.mktemp("faults")
    shutil.copy(param.with_suffix(".json"), folder / "m.json")
    answers = []

    @settings(max_examples=examples, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from([SIZE, SIZE, (32, 32)]))
    def check(seed, size):
        rng = random.Random(seed)
        other = folder / "m.param"
        other.write_text(mutated(text, rng))
        other.with_suffix(".bin").write_bytes(weights_for(other.read_text(), rng, weights))
        vouch(other)
        answer = worker.run(other, size)
        assert answer == "ran" or answer.startswith((str(other), str(other.with_suffix(".bin"))))
        answers.append(answer)

    check()
    assert 0 < answers.count("ran") < len(answers)


def test_the_worker_runs_a_good_model_and_sees_a_crash(exported_small, worker):
    param = exported_small.files[FP32]
    assert worker.run(param, SIZE) == "ran"
    worker.process.kill()
    worker.process.wait()
    assert worker.run(param, (64, 64)) == "ran"


# the layer, what in its line becomes what, and what the message says
FAULTS = {
    "stride 0": ("Pooling", "12=2 ", "12=0 ", "parameter 12: Pooling cannot work with 0"),
    "groups": ("ShuffleChannel", " 0=2 ", " 0=7 ", "cannot shuffle 48 channels"),
    "memory": ("Convolution ", " 14=1 ", " 14=16000 15=16000 ", "GB of memory"),
    "slices": ("Slice", "-233,-233", "480,-233", "cannot cut"),
    "a number by its bits": ("Interp", "1=2.0", "1=2", "numbers with a point, not 2"),
    "kind": ("Sigmoid", "Sigmoid ", "Softmax ", "Softmax is not known in a NanoDet"),
    "weights": ("Convolution ", "0=24 ", "0=25 ", "weights do not fit"),
    "axis": ("Concat", "0=0", "0=3", "has no axis 3"),
    "activation": ("Convolution ", "-23310=1,0.1 ", "", "activation 2 lacks its parameters"),
    "two inputs": ("Pooling", "1 1 1 2", "2 1 data 1 2", "another layer's input too"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(copy, worker, fault):
    kind, old, new, said = FAULTS[fault]
    lines = copy.read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith(kind) and old in f"{line} ")
    lines[at] = f"{lines[at]} ".replace(old, new, 1)
    copy.write_text("\n".join(lines) + "\n")
    vouch(copy)
    answer = worker.run(copy, SIZE)
    assert said in answer
    assert answer.startswith(f"{copy}: layer ")


@pytest.mark.parametrize("length", [0, 3, 1000, -1, -4, 8])
def test_weights_of_another_length(copy, worker, length):
    weights = copy.with_suffix(".bin")
    data = weights.read_bytes()
    weights.write_bytes(data + bytes(length) if length == 8 else data[: length or None])
    if length == 0:
        weights.write_bytes(b"")
    assert "SHA-256 differs" in worker.run(copy, SIZE)
    vouch(copy)
    answer = worker.run(copy, SIZE)
    assert answer.startswith(str(weights))
    assert ("long" if length == 8 else "the file ends here") in answer


def test_weights_of_another_kind_and_not_numbers(copy, worker):
    weights = copy.with_suffix(".bin")
    shutil.copy(copy.with_name("small-fp16.bin"), weights)
    vouch(copy)
    assert worker.run(copy, SIZE) == "ran"  # each array says how it is stored
    data = bytearray(weights.read_bytes())
    data[-4:] = np.float32("nan").tobytes()
    weights.write_bytes(data)
    vouch(copy)
    assert "not finite" in worker.run(copy, SIZE)


def test_a_graph_of_another_model(copy, worker, shared):
    shutil.copy(shared / "weights" / "nanodet-m_320.param", copy)
    assert "SHA-256 differs" in worker.run(copy, SIZE)
    vouch(copy)
    answer = worker.run(copy, SIZE)
    assert answer.startswith(str(copy)) and "its spec says input data and output output" in answer


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("class_names", ["a", "b"], "spec says 315 points x 34"),
        ("strides", [8, 16], "spec says 300 points"),
        ("reg_max", 9, "(3 classes + 4 x 10)"),
        ("name", "boxes", "output boxes, but it has data and output"),
    ],
)
@pytest.mark.parametrize("suffix", [".param", ".onnx"])
def test_a_model_that_does_not_fit_its_spec_is_refused_when_loaded(copy, suffix, key, value, said):
    path = copy.with_suffix(suffix)
    mapping = json.loads(copy.with_suffix(".json").read_text(encoding="utf-8"))
    (mapping if key in mapping else mapping["output"])[key] = value
    copy.with_suffix(".json").write_text(json.dumps(mapping), encoding="utf-8")
    with_metadata(copy.with_suffix(".onnx"), json.dumps(mapping))
    with pytest.raises(NanodetError) as caught:
        detector = Detector(path)
        # the ONNX leaves the number of points open, so the first image tells
        assert suffix == ".onnx" and key == "strides"
        detector(np.zeros((96, 160, 3), np.uint8))
    assert said in str(caught.value) and str(caught.value).startswith(str(path))


def with_metadata(path, text):
    """Give an ONNX file another spec, None for none."""
    model = onnx.load(path)
    del model.metadata_props[:]
    if text is not None:
        helper.set_model_props(model, {ONNX_METADATA_KEY: text})
    onnx.save(model, path)


def test_onnx_without_a_spec(copy):
    path = copy.with_suffix(".onnx")
    with_metadata(path, None)
    assert Detector(path).spec == Spec.load(copy.with_suffix(".json"))
    copy.with_suffix(".json").unlink()
    with pytest.raises(
        NanodetError, match=r"small\.onnx: contains no spec, and .*small\.json does not"
    ):
        Detector(path)
    with_metadata(path, "{")
    with pytest.raises(NanodetError, match=r"small\.onnx \(its own spec\): this spec is not valid"):
        Detector(path)


def onnx_model(path, shape, kind, inputs=("data",)):
    """Write a model that copies its input, with the spec of a 64 x 64 detector."""
    spec = Spec(("a",), (64, 64), **NANODET_M)
    values = [helper.make_tensor_value_info(name, kind, shape) for name in inputs]
    result = helper.make_tensor_value_info("output", kind, None)
    graph = helper.make_graph([helper.make_node("Sum", inputs, ["output"])], "g", values, [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {ONNX_METADATA_KEY: json.dumps(spec.to_dict())})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("shape", "kind", "inputs", "said"),
    [
        (
            (1, 3, 96, 64),
            TensorProto.FLOAT,
            ("data",),
            "input is 1 x 3 x 96 x 64, but its spec says",
        ),
        ((1, 64, 64, 3), TensorProto.FLOAT, ("data",), "spec says 1 x 3 x 64 x 64"),
        ((8, 3, 64, 64), TensorProto.FLOAT, ("data",), "input is 8 x 3 x 64 x 64"),
        ((1, 3, 64, 64), TensorProto.FLOAT16, ("data",), r"data is tensor\(float16\), not float32"),
        ((1, 3, 64, 64), TensorProto.FLOAT, ("data", "im"), "but it has data, im and output"),
        ((1, 3, 64, 64), TensorProto.FLOAT, ("data",), r"output is .*spec says 84 points x 33"),
        ((1, 3, "h", "w"), TensorProto.FLOAT, ("data",), r"output is .*spec says 84 points x 33"),
    ],
)
def test_onnx_with_other_tensors_than_its_spec_says(tmp_path, shape, kind, inputs, said):
    path = onnx_model(tmp_path / "m.onnx", shape, kind, inputs)
    with pytest.raises(NanodetError, match=said) as caught:
        Detector(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_onnx_with_an_output_of_no_dimensions(tmp_path, engine, capfd):
    pytest.importorskip(engine)
    path = onnx_model(tmp_path / "m.onnx", (1, 3, 64, 64), TensorProto.FLOAT, ("data",))
    model = onnx.load(path)
    model.graph.node[0].CopyFrom(
        helper.make_node("ReduceSum", ["data"], ["output"], keepdims=0, name="sum")
    )
    model.graph.output[0].type.tensor_type.shape.ClearField("dim")
    onnx.save(model, path)
    with pytest.raises(NanodetError, match=r"output (is|output is \[\])"):
        Detector(path, engine=engine)(np.zeros((64, 64, 3), np.uint8))
    assert engine == "openvino" or capfd.readouterr() == ("", "")


def test_other_sizes_are_worked_out_before_they_run(copy, worker):
    """A graph that fits at the size of its spec alone."""
    text = copy.read_text().replace("0=-1 1=35", "0=15 1=35")
    copy.write_text(text)
    vouch(copy)
    assert "cannot make" in worker.run(copy, SIZE)
    graph = Graph.load(copy.with_name("small-fp16.param"))
    assert blob_shapes(graph, (3, 96, 160), "m")["output"] == (315, 35)
    with pytest.raises(NanodetError, match="layer add_0: cannot combine"):
        blob_shapes(graph, (3, 100, 160), "m")
