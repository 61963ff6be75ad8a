"""`nanodet adopt`: files of other converters in the form that every command runs."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from foreign_files import SIZE, STYLES, write_ncnn, write_onnx, write_onnx_maps
from maps_model import SPEC as MAPS_SPEC
from maps_model import write_ncnn as write_ncnn_maps
from maps_model import write_onnx as write_spec_maps
from specs import NANODET_M

from nanodet import Detector, NanodetError
from nanodet.adopt.adopt import adopt
from nanodet.adopt.facts import Facts
from nanodet.adopt.source import NcnnSource
from nanodet.cli.main import main
from nanodet.compare.tensors import picture_tensors
from nanodet.export.batch_norm import with_fixed_fit
from nanodet.files.files import sha256
from nanodet.model.torch_backend import TorchBackend
from nanodet.ncnn_files.layout import Form
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import Spec

NAMES = ("disc", "square", "Dreieck ü")


def silent(line):
    pass


@pytest.mark.parametrize(
    ("other", "taken"),
    [({}, True), ({"class_names": ("a",)}, False), ({"strides": (16, 32, 64)}, False),
     ({"reg_max": 3}, False), ({"reg_max": 14, "bin_spacing": 2.0}, True)],
)  # fmt: skip
def test_the_quality_predictor_of_another_model_is_not_taken(tmp_path, other, taken):
    source = object.__new__(NcnnSource)
    source.path, source.form = tmp_path / "m.param", Form(2, 7, (8, 16, 32))
    quality = QualityPredictor(1, 1, (0.5,) * 8, (0.0,), (1.0,), 0.0)
    Spec(**{"class_names": ("a", "b"), **NANODET_M, "quality": quality} | other).save(
        tmp_path / "m.json"
    )
    assert (source.quality is not None) == taken


@pytest.fixture(scope="module")
def network(small_checkpoint):
    return TorchBackend(small_checkpoint)


@pytest.fixture(scope="module")
def param(exported_small):
    return exported_small.files["ncnn fp32"]


@pytest.fixture(scope="module")
def maps(network, tmp_path_factory):
    return write_onnx_maps(network.network, tmp_path_factory.mktemp("maps") / "maps.onnx")


def differs(path, network, size=SIZE):
    """How far a model is from the network that it was made of, on an image."""
    detector = Detector(path)
    tensor = picture_tensors(with_fixed_fit(network.spec).at_size(size), count=1)[0]
    return np.abs(detector.run(tensor) - network.run(tensor)).max()


@pytest.mark.parametrize("style", STYLES)
def test_ncnn_styles(param, network, tmp_path, style):
    made = write_ncnn(param, tmp_path, style, fixed=style in ("six", "maps"))
    done = adopt(made, tmp_path / "out", Facts(NAMES), report=silent)
    assert (done.form.classes, done.form.reg_max, done.form.strides) == (3, 7, (8, 16, 32))
    assert done.difference < 1e-6
    spec = Spec.load(done.path.with_suffix(".json"))
    assert spec.class_names == NAMES and spec.any_size and spec.point_offset == 0.5
    assert spec.input_size == (SIZE if style in ("six", "maps") else (320, 320))
    assert spec.files == {p.name: sha256(p) for p in (done.path, done.path.with_suffix(".bin"))}
    assert spec.source["adopted_from"] == made.name
    assert spec.source[made.name] == sha256(made)
    for size in (SIZE, (224, 64)):  # sizes that were fixed are factors now
        assert differs(done.path, network, size) < 1e-4


@pytest.mark.parametrize("style", [*STYLES, "distances"])
def test_onnx_styles(maps, network, tmp_path, style):
    made = write_onnx(maps, tmp_path, style)
    done = adopt(made, tmp_path / "out", Facts(NAMES), report=silent)
    assert done.difference < 1e-6
    spec = Spec.load(done.path.with_suffix(".json"))
    assert (spec.input_size, spec.any_size) == (SIZE, False)
    assert spec.files == {done.path.name: sha256(done.path)}
    assert differs(done.path, network) < 1e-4
    done.path.with_suffix(".json").unlink()  # it is inside, too
    assert Detector(done.path).spec.class_names == NAMES


def test_onnx_of_any_size(exported_small, network, tmp_path):
    import onnx

    made = tmp_path / "any.onnx"
    model = onnx.load(exported_small.files["onnx simplified"])
    del model.metadata_props[:]
    onnx.save(model, made)
    done = adopt(made, tmp_path / "out", Facts(NAMES, size=SIZE), report=silent)
    assert Detector(done.path).spec.any_size
    assert differs(done.path, network, (224, 64)) < 1e-4


class TestFacts:
    @pytest.fixture(scope="class")
    @staticmethod
    def made(param, tmp_path_factory):
        return write_ncnn(param, tmp_path_factory.mktemp("made"), "six")

    def test_given(self, made, tmp_path):
        (tmp_path / "names.txt").write_text("0: a\n1: b\n2: c\n")
        facts = Facts(
            (str(tmp_path / "names.txt"),), fit="stretch", size=(96, 64), mean=(1, 2, 3),
            std=(4, 5, 6), colour_order="rgb", point_offset=0.25,
        )  # fmt: skip
        lines = []
        spec = Detector(adopt(made, tmp_path / "out", facts, "mine", lines.append).path).spec
        assert spec.class_names == ("a", "b", "c")
        assert (spec.fit, spec.input_size, spec.colour_order) == ("stretch", (96, 64), "rgb")
        assert (spec.mean, spec.std, spec.point_offset) == ((1, 2, 3), (4, 5, 6), 0.25)
        assert not any("as the model file does not say it" in line for line in lines)
        assert {p.name for p in (tmp_path / "out").iterdir()} == {
            "mine.param", "mine.bin", "mine.json"
        }  # fmt: skip

    def test_of_a_config(self, made, small_checkpoint, tmp_path):
        from nanodet.config import save_config

        config, lines = str(tmp_path / "small.yml"), []
        save_config(TorchBackend(small_checkpoint).config, config)
        facts = Facts(config=config, mean=(1, 2, 3))
        done = adopt(made, tmp_path / "out", facts, report=lines.append)
        spec = Detector(done.path).spec
        assert (spec.class_names, spec.input_size, spec.fit) == (NAMES, SIZE, "letterbox")
        assert lines[1] == (
            f"taken from {config}, as the model file does not say it: point offset 0.5, fit letterbox, "
            "std 57.375,57.12,58.395, colour order bgr, input 160x96, class names disc, square, "
            "Dreieck ü; change with --point-offset, --fit, --std, --colour-order, --size, --classes"
        )

    @pytest.mark.parametrize(
        ("facts", "words"),
        [
            (
                Facts(),
                r"is a NanoDet with strides 8 to 32, 3 classes and reg_max 7; what its classes",
            ),
            (Facts(("a", "b")), "has 3 classes, but 2 were named"),
            (Facts(("no/such.txt",)), "no/such.txt: cannot read this file of class names"),
            (
                Facts(NAMES, size=(100, 64)),
                "--size: 100x64: width and height must be multiples of 32",
            ),
            (Facts(NAMES, std=(0, 1, 1)), r"input\.std: must have three values"),
        ],
    )
    def test_refused(self, made, tmp_path, facts, words):
        with pytest.raises(NanodetError, match=words) as caught:
            adopt(made, tmp_path / "out", facts, report=silent)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()

    def test_a_fixed_size_is_the_size(self, maps, tmp_path):
        made = write_onnx(maps, tmp_path, "two")
        with pytest.raises(NanodetError, match=r"takes 160x96 alone, not 320x320 \(--size\)"):
            adopt(made, tmp_path / "out", Facts(NAMES, size=(320, 320)), report=silent)

    @pytest.mark.parametrize("name", ["", "a/b", "../a", "."])
    def test_names_of_no_file(self, made, tmp_path, name):
        with pytest.raises(NanodetError, match=r"--name: .* is no name of a file"):
            adopt(made, tmp_path / "out", Facts(NAMES), name, report=silent)

    def test_replaces_no_other_model(self, made, exported_small, tmp_path):
        with pytest.raises(NanodetError, match="would replace the file itself"):
            adopt(made, made.parent, Facts(NAMES), report=silent)
        shutil.copy(exported_small.files["onnx simplified"].with_suffix(".json"), tmp_path)
        with pytest.raises(NanodetError, match=r"small\.json: is the spec of small\.onnx; give"):
            adopt(made, tmp_path, Facts(NAMES), "small", report=silent)


def test_the_published_plus(shared, tmp_path):
    lines = []
    model = shared / "weights" / "nanodet-plus-m_320.param"
    done = adopt(model, tmp_path / "out", report=lines.append)
    assert lines[1].startswith(
        "assumed, as the model file does not say it: point offset 0, fit str"
    )
    assert "class names person, bicycle" in lines[1] and lines[1].endswith("--size, --classes")
    spec = Detector(done.path).spec
    assert (spec.strides, spec.point_offset, spec.fit) == ((8, 16, 32, 64), 0, "stretch")
    assert len(spec.class_names) == 80 and spec.class_names[0] == "person"


class TestOthers:
    """What is no NanoDet, or none that can be taken in: one line that says what it is."""

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            (
                "picodet_s_320.onnx",
                "is a detector like NanoDet with strides 8 to 64, 80 classes .*--point-offset 0.5",
            ),
            ("yolov4-tiny.param", "its weights .* do not exist"),
        ],
    )
    def test_peers(self, shared, tmp_path, name, words):
        with pytest.raises(NanodetError, match=words):
            adopt(shared / "peers" / name, tmp_path / "out", report=silent)

    @pytest.mark.parametrize(
        ("shape", "words"),
        [
            ((1, 1000), r"has an output y \(1000\) \(one row of values, as a classifier has\)"),
            ((1, 6300, 85), r"y \(6300 x 85\) \(three boxes a point, as a YOLO with anchors has\)"),
            ((1, 3, 320, 320), "not a NanoDet: for 320x320 it has an output"),
            ((), "not a NanoDet"),
        ],
    )
    def test_made_up_onnx(self, tmp_path, shape, words):
        path = write_constant(tmp_path / "other.onnx", shape)
        with pytest.raises(NanodetError, match=words) as caught:
            adopt(path, tmp_path / "out", report=silent)
        assert "\n" not in str(caught.value) and str(caught.value).startswith(str(path))

    @pytest.mark.parametrize(
        ("parts", "words"),
        [
            (["boxes", "scores"], "has 80 classes and 4 values for the edges .* as a YOLO's are"),
            (["bins", "scores"], "the first 80 channels of its output are not its scores"),
        ],
    )
    def test_scores_behind(self, tmp_path, parts, words):
        path = write_constant(tmp_path / "other.onnx", (1, 112, 2100), parts)
        with pytest.raises(NanodetError, match=words):
            adopt(path, tmp_path / "out", Facts(point_offset=0), report=silent)

    @pytest.mark.parametrize("suffix", [".param", ".onnx"])
    def test_no_spec_says_the_way_on(self, suffix, param, maps, tmp_path, capsys):
        """What has none says what it is, and leads to this command where that takes it."""
        made = write_ncnn(param, tmp_path, "six")
        made = made if suffix == ".param" else write_onnx(maps, tmp_path, "six")
        assert main(["info", str(made)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith(
            "it is a NanoDet with strides 8 to 32, 3 classes and reg_max 7: nanodet adopt "
            f"{made} --classes FILE --out DIR makes one"
        )
        other = write_constant(tmp_path / "other.onnx", (1, 1000))
        assert main(["info", str(other)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "nor can one be made: not a NanoDet: " in line and "as a classifier has" in line

    def test_command(self, tmp_path, capsys, param):
        made = write_ncnn(param, tmp_path, "three", fixed=True)
        arguments = ["adopt", str(made), "--classes", *NAMES, "--out", str(tmp_path / "out")]
        assert main(arguments) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"{made}: a NanoDet with strides 8 to 32, 3 classes and reg_max 7"
        assert lines[1] == (
            "assumed, as the model file does not say it: point offset 0.5, fit letterbox, mean "
            "103.53,116.28,123.675, std 57.375,57.12,58.395, colour order bgr; change with "
            "--point-offset, --fit, --mean, --std, --colour-order"
        )
        assert lines[-1] == str(tmp_path / "out" / "three-fixed.param")
        assert json.loads((tmp_path / "out" / "three-fixed.json").read_text())[
            "class_names"
        ] == list(NAMES)
        for bad in (["--mean", "1,2"], ["--point-offset", "x"], ["--fit", "own"]):
            with pytest.raises(SystemExit):
                main([*arguments, *bad])


def write_constant(path, shape, parts=()):
    """An ONNX file that takes images and gives noise of one shape.

    Args:
        parts: of its channels: ``boxes`` the first 4, ``bins`` the first 32, ``scores`` the last
            80 behind a sigmoid.
    """
    import onnx
    from onnx import helper

    kind = onnx.TensorProto.FLOAT
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    weights = [onnx.numpy_helper.from_array(values, "values")]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Add", ["values", "mean"], ["all" if parts else "y"]),
    ]
    for name, first, last in (("boxes", 0, 4), ("bins", 0, 32), ("logits", 32, 112)):
        index = np.arange(first, last)
        weights.append(onnx.numpy_helper.from_array(index, f"{name}_index"))
        nodes.append(helper.make_node("Gather", ["all", f"{name}_index"], [name], axis=1))
    nodes.append(helper.make_node("Sigmoid", ["logits"], ["scores"]))
    nodes.append(helper.make_node("Concat", list(parts), ["y"], axis=1))
    graph = helper.make_graph(
        nodes if parts else nodes[:2], "g",
        [helper.make_tensor_value_info("image", kind, [1, 3, 320, 320])],
        [onnx.ValueInfoProto(name="y")], weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 7
    onnx.save(model, path)
    return path


def test_what_a_file_is_and_which_command_takes_it(param, small_checkpoint, tmp_path, capsys):
    (tmp_path / "my models").mkdir()
    made = write_ncnn(param, tmp_path / "my models", "six")
    (tmp_path / "weights.tflite").write_bytes(b"")
    out = ["--out", tmp_path / "out.ckpt"]

    def refused(*words):
        assert main([str(word) for word in words]) == 1
        line = capsys.readouterr().err.splitlines()[-1]
        assert not (tmp_path / "out.ckpt").exists()
        return line

    for verb in ("adopt", "import"):
        assert "is a checkpoint already: nanodet info, eval" in refused(
            verb, small_checkpoint, *out
        )
        line = refused(verb, made.with_suffix(".bin"), *out)
        assert line.endswith(f"is a part of an ncnn model: give its {made.name} instead")
        assert "is not a model file that can be read" in refused(
            verb, tmp_path / "weights.tflite", *out
        )
    assert "is an ncnn model, not a checkpoint: nanodet import makes" in refused(
        "export", made, *out
    )
    line = refused("import", made, "--classes", "a", "b", *out)
    assert line.endswith("3 classes and reg_max 7, but --classes names 2: a, b")
    needed = f"nanodet adopt '{made}' --classes FILE --out DIR makes one"
    for words in (("info", made), ("bench", made, "--runs", "1", "--seconds", "0.1")):
        assert refused(*words).endswith(needed)


def test_another_size_than_the_file_was_made_for(param, tmp_path):
    made = write_ncnn(param, tmp_path, "six", fixed=True)
    path = adopt(made, tmp_path / "out", Facts(NAMES, size=(192, 128)), report=silent).path
    assert Spec.load(path.with_suffix(".json")).input_size == (192, 128)


@pytest.mark.parametrize("write", [write_ncnn_maps, write_spec_maps])
def test_maps_of_ours_have_the_classes_of_their_spec(tmp_path, write):
    """No sigmoid tells how many of the channels are classes, and an unusual reg_max misleads."""
    spec = dataclasses.replace(MAPS_SPEC, reg_max=15)
    path = write(tmp_path / ("m.param" if write is write_ncnn_maps else "m.onnx"), spec)
    done = adopt(path, tmp_path / "out", report=silent)
    assert (done.form.classes, done.form.reg_max) == (3, 15)
    found = Spec.load(done.path.with_suffix(".json"))
    assert (found.layout, found.class_names, found.reg_max) == ("rows", spec.class_names, 15)
    tensor = picture_tensors(spec, count=1)[0]
    np.testing.assert_allclose(
        Detector(done.path).run(tensor), Detector(path).backend.run(tensor), rtol=1e-4, atol=1e-4
    )
    with pytest.raises(NanodetError, match="has 3 classes by its spec, but 2 were named"):
        adopt(path, tmp_path / "other", Facts(("a", "b")), report=silent)
