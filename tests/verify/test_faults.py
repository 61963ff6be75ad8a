"""Faults planted into copies of a real export are found and named: the part, the key, the layer.

Each kind of fault is verified in one go: a copy of the model per fault, all in one folder.
"""

import json
import shutil

import onnx
import pytest
from faults import (
    edit_graph,
    edit_onnx_spec,
    edit_spec,
    edit_weights,
    flip_weight,
    one_weight,
    quantise,
    swap_channels,
    update_hashes,
)

from nanodet.compare.tensors import picture_tensors
from nanodet.export.stages import FP16, FP32, SIMPLIFIED
from nanodet.model.torch_backend import TorchBackend
from nanodet.verify.artefacts import open_stages
from nanodet.verify.diagnose import Diagnosis
from nanodet.verify.report import format_report
from nanodet.verify.verify import verify

KINDS = ("fp32", "fp16", "int8")
MIDDLE = "backbone.stage3.2.branch2.0 (layer convrelu_15)"
HEAD = "head.gfl_cls.0 (layer conv_111)"


@pytest.fixture(scope="module")
def plant(exported_small, tmp_path_factory):
    """A function that copies a model under another stem, spec and hashes with it."""

    def copy(folder, stem, stage=FP32):
        source, made = exported_small.files[stage], {}
        suffixes = (".onnx",) if stage == SIMPLIFIED else (".param", ".bin")
        for suffix in suffixes:
            made[suffix] = folder / f"{stem}{suffix}"
            shutil.copy(source.with_suffix(suffix), made[suffix])
        names = {path.name: "" for path in made.values()}
        shutil.copy(source.with_suffix(".json"), folder / f"{stem}.json")
        edit_spec(folder / f"{stem}.json", files=names)
        path = folder / f"{stem}{suffixes[0]}"
        update_hashes(path)
        return path

    return copy


def verified(folder, reference, **options):
    """Verify a folder; return the row of each file, run in the one engine that is its own."""
    report = verify(reference, [folder], limit=2, **options)
    text = format_report(report)
    rows = {r.path.stem: r for r in report.rows if r.kind in KINDS and r.name[:8] != "openvino"}
    assert all(
        f"{row.name}: {part}: {line}" in text for row in rows.values() for part, line in row.faults
    )
    return rows


def texts(row, part):
    return " | ".join(text for one, text in row.faults if one == part)


def parts(row):
    return {part for part, _ in row.faults}


SPECS = {
    "mean": ("preprocessing", "input__mean", [103.53, 116.28, 120.0],
             "input.mean: [103.53, 116.28, 120], but the checkpoint has [103.53, 116.28, 123.675]"),
    "std": ("preprocessing", "input__std", [1.0, 1.0, 1.0], "input.std: [1, 1, 1], but"),
    "order": ("preprocessing", "input__colour_order", "rgb",
              "input.colour_order: rgb, but the checkpoint has bgr"),
    "fit": ("preprocessing", "input__fit", "stretch",
            "input.fit: stretch, but the checkpoint has letterbox"),
    "width": ("preprocessing", "input__width", 192, "input.width: 192, but the checkpoint has 160"),
    "strides": ("decoding", "output__strides", [8, 16, 64],
                "output.strides: [8, 16, 64], but the checkpoint has [8, 16, 32]"),
    "levels": ("decoding", "output__strides", [8, 16], "output.strides: [8, 16], but"),
    "offset": ("decoding", "output__point_offset", 0.0,
               "output.point_offset: 0, but the checkpoint has 0.5"),
    "bins": ("decoding", "output__reg_max", 8, "output.reg_max: 8, but the checkpoint has 7"),
    "fewer": ("decoding", "class_names", ["disc", "square"],
              "class_names: 2 names, but the checkpoint has 3"),
    "names": ("decoding", "class_names", ["disc", "circle", "Dreieck ü"],
              "class_names[1]: 'circle', but the checkpoint has 'square'"),
}  # fmt: skip


class TestSpec:
    """Preprocessing and decoding: the key is named, and nothing else is blamed."""

    @pytest.fixture(scope="class")
    @staticmethod
    def rows(plant, small_checkpoint, tmp_path_factory):
        folder = tmp_path_factory.mktemp("specs")
        for stem, (_, key, value, _) in SPECS.items():
            edit_spec(plant(folder, stem).with_suffix(".json"), **{key: value})
        edit_spec(plant(folder, "threshold").with_suffix(".json"), thresholds__score=0.5)
        chosen = {"input__fit": "stretch", "source__fit": "stretch"}
        edit_spec(plant(folder, "chosen").with_suffix(".json"), **chosen)
        sized = {"input__width": 192, "source__size": [192, 96]}
        edit_spec(plant(folder, "sized").with_suffix(".json"), **sized)
        mapping = json.loads(plant(folder, "missing").with_suffix(".json").read_text())
        del mapping["input"]["std"]
        (folder / "missing.json").write_text(json.dumps(mapping))
        plant(folder, "broken").with_suffix(".json").write_text("{")
        plant(folder, "absent").with_suffix(".json").unlink()
        edit_onnx_spec(plant(folder, "inside", SIMPLIFIED), input__mean=[0.0, 0.0, 0.0])
        beside = plant(folder, "beside", SIMPLIFIED).with_suffix(".json")
        edit_spec(beside, input__mean=[0.0, 0.0, 0.0])
        edit_spec(
            plant(folder, "beside-threshold", SIMPLIFIED).with_suffix(".json"),
            thresholds__score=0.5,
        )
        plant(folder, "beside-broken", SIMPLIFIED).with_suffix(".json").write_text("{")
        return verified(folder, small_checkpoint)

    @pytest.mark.parametrize("stem", SPECS)
    def test_the_key_is_named(self, rows, stem):
        part, key, _, words = SPECS[stem]
        row = rows[stem]
        assert parts(row) == {part} and row.keys == [key.replace("__", ".")]
        assert texts(row, part).startswith(words)
        assert row.result.agrees  # the network was not blamed
        if stem in ("mean", "std", "order", "fit"):
            assert "its tensors of the same images differ by up to" in texts(row, part)
        # the size is the stage's own
        assert (row.input_max > 0.01) == (part == "preprocessing" and stem != "width")

    def test_inside_an_onnx_file(self, rows):
        row = rows["inside"]
        assert row.keys == ["input.mean"] and parts(row) == {"files", "preprocessing"}

    def test_beside_an_onnx_file(self, rows):
        row = rows["beside"]
        assert row.verdict == "differs" and parts(row) == {"spec"}
        assert "beside.json: input.mean: [0, 0, 0], but beside.onnx itself has [103.53" in (
            texts(row, "spec")
        )
        assert "not valid JSON" in texts(rows["beside-broken"], "spec")
        assert rows["beside-threshold"].verdict == "agrees"  # anyone's own

    def test_what_may_differ(self, rows):
        assert (
            rows["threshold"].verdict == rows["chosen"].verdict == rows["sized"].verdict == "agrees"
        )
        assert rows["threshold"].notes == ["thresholds.score: 0.5, not 0.35"]

    @pytest.mark.parametrize(
        ("stem", "words"),
        [
            ("missing", "input.std: this key is missing"),
            ("broken", "not valid JSON"),
            ("absent", "absent.json does not exist"),
        ],
    )
    def test_a_spec_that_cannot_be_read_fails_that_stage_alone(self, rows, stem, words):
        assert words in texts(rows[stem], "model")


def bias(layer):
    def change(weights, graph):
        weights[layer]["bias"].data[3] += 0.25

    return change


def reverse_all(weights, graph):
    for stored in weights.values():
        stored["weight"].data[:] = stored["weight"].data[::-1].copy()


WEIGHTS = {
    "middle": (
        one_weight("convrelu_15", by=2),
        f"diverges from torch at {MIDDLE}: 1 of 2304 weights differs, by 2",
    ),
    "head": (one_weight("conv_111"), f"diverges from torch at {HEAD}: 1 of 3360 weights differs, by 0.1"),
    "small": (one_weight("convrelu_15", by=1e-4), f"{MIDDLE}: 1 of 2304 weights differs, by 0.0001"),
    "bias": (bias("conv_111"), f"diverges from torch at {HEAD}: 1 of 35 biases differs, by 0.25"),
    "swapped": (
        swap_channels("convrelu_0", 24),
        "at backbone.conv1.0 (layer convrelu_0): its input channels are swapped (2, 1, 0)",
    ),
    "another": (reverse_all, "; the weights of 72 other layers differ too"),
}  # fmt: skip

SAME = "(layer convrelu_36): its weights are equal, its result is not"
GRAPHS = {
    "slope": ("convrelu_36", {-23310: "1,0.4"}, SAME),
    "linear": ("convrelu_36", {9: "0"}, SAME),
    "resize": ("interpolate_0", {0: "1"}, "interpolate_0 (Interp), which takes fpn.lateral_convs.2.conv"),
    "shuffle": ("channelshuffle_69", {0: "4"}, "(ShuffleChannel), which takes cat_"),
    "stride": ("convdwrelu_0", {3: "2", 13: "2"}, "stride 2 x 2, not 1 x 1"),
    "dilation": ("convdwrelu_0", {2: "2", 12: "2", 4: "2", 14: "2"}, "dilation 2 x 2, not 1 x 1"),
}  # fmt: skip


class TestNetwork:
    """The layer is named, whether the hash tells of the change or not."""

    @pytest.fixture(scope="class")
    @staticmethod
    def rows(plant, small_checkpoint, tmp_path_factory):
        folder = tmp_path_factory.mktemp("network")
        for stem, (change, _) in WEIGHTS.items():
            edit_weights(plant(folder, stem), change)
            param = plant(folder, f"{stem}-vouched")
            edit_weights(param, change)
            update_hashes(param)
        for stem, (layer, values, _) in GRAPHS.items():
            edit_graph(
                plant(folder, stem),
                lambda layers, name=layer, values=values: layers[name].values.update(values),
            )
        edit_graph(
            plant(folder, "unfit"),
            lambda layers: layers["convdw_124"].values.update({3: "2", 13: "2"}),
        )
        edit_graph(plant(folder, "concat"), lambda layers: layers["cat_14"].inputs.reverse())
        half = plant(folder, "half", FP16)
        edit_weights(half, one_weight("convrelu_15", by=0.5))
        update_hashes(half)
        path = plant(folder, "onnx", SIMPLIFIED)
        model = onnx.load(path)
        (one,) = (w for w in model.graph.initializer if w.name == "network.head.gfl_cls.0.weight")
        values = onnx.numpy_helper.to_array(one).copy()
        values.ravel()[7] += 0.1
        one.CopyFrom(onnx.numpy_helper.from_array(values, one.name))
        onnx.save(model, path)
        cut = plant(folder, "truncated").with_suffix(".bin")
        cut.write_bytes(cut.read_bytes()[:-40])
        return verified(folder, small_checkpoint)

    @pytest.mark.parametrize("stem", WEIGHTS)
    def test_weights(self, rows, stem):
        _, words = WEIGHTS[stem]
        row = rows[stem]
        assert parts(row) == {"files", "network"}
        assert "SHA-256 differs" in texts(row, "files")
        assert words in texts(row, "network")
        row = rows[f"{stem}-vouched"]
        assert parts(row) == {"network"}
        assert words.rsplit(":")[-1] in texts(row, "network")

    @pytest.mark.parametrize("stem", GRAPHS)
    def test_layers_that_do_something_else(self, rows, stem):
        *_, words = GRAPHS[stem]
        assert parts(rows[stem]) == {"files", "network"}
        assert words in texts(rows[stem], "network")

    def test_a_graph_that_cannot_be_run(self, rows):
        assert parts(rows["unfit"]) == {"files", "model", "network"}
        words = "backbone.stage2.1.branch2.3 (layer convdw_124): stride 2 x 2, not 1 x 1"
        assert words in texts(rows["unfit"], "network")

    def test_order_of_a_concat(self, rows):
        assert "diverges from torch at cat_14 (Concat)" in texts(rows["concat"], "network")

    def test_sixteen_bits(self, rows):
        assert f"{MIDDLE}: 1 of 2304 weights differs, by 0.5" in texts(rows["half"], "network")

    def test_onnx(self, rows):
        words = "diverges from torch at head.gfl_cls.0 (layer node_conv2d"
        assert words in texts(rows["onnx"], "network")

    def test_a_truncated_file(self, rows):
        assert "truncated" in texts(rows["truncated"], "model")


class TestInt8:
    @pytest.fixture(scope="class")
    @staticmethod
    def rows(plant, small_checkpoint, tmp_path_factory):
        folder, source = tmp_path_factory.mktemp("int8"), tmp_path_factory.mktemp("source")

        for stem, change in (
            ("sound", lambda weights, graph: None),
            ("weight", flip_weight("conv_117", 34)),
        ):
            quantise(plant(source, stem), folder / f"{stem}.param")
            edit_weights(folder / f"{stem}.param", change)
            update_hashes(folder / f"{stem}.param")
        return verified(folder, small_checkpoint)

    def test_it_is_told_by_its_contents_and_judged_by_its_detections(self, rows):
        row = rows["sound"]
        assert (row.kind, row.verdict) == ("int8", "agrees")
        assert row.detections > 10 and row.twins >= 0.9
        assert row.result.score_max > 1e-3  # an int8 model it is
        json.dumps(row.to_dict(), allow_nan=False)

    def test_one_weight(self, rows):
        assert parts(rows["weight"]) == {"detections", "network"}
        assert "head.gfl_cls.2 (layer conv_117): 1 of 3360 weights differs" in texts(
            rows["weight"], "network"
        )

    def test_a_scale(self, plant, small_checkpoint, tmp_path):
        def change(weights, graph):
            weights["conv_117"]["input_scale"].data[:] *= 100

        param = tmp_path / "scale.param"
        quantise(plant(tmp_path, "full"), param)
        edit_weights(param, change)
        update_hashes(param)
        (stage,) = open_stages([param])
        diagnosis = Diagnosis(TorchBackend(small_checkpoint), "fp32", "torch")
        (line,) = diagnosis.explain(stage, picture_tensors(stage.backend.spec, count=1)[0])
        assert line.startswith("its error grows most at head.gfl_cls.2 (layer conv_117)")


@pytest.mark.parametrize("reference", [SIMPLIFIED, FP16])
def test_exported_files_against_each_other(plant, exported_small, tmp_path, reference):
    edit_weights(plant(tmp_path, "changed"), one_weight("conv_111", by=0.5))
    update_hashes(tmp_path / "changed.param")
    row = verified(tmp_path, exported_small.files[reference])["changed"]
    name = exported_small.files[reference].name
    assert name in texts(row, "network")
    assert "conv_111" in texts(row, "network")
    assert "1 of 3360 weights differs, by 0.5" in texts(row, "network")
