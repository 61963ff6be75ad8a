"""Exports into a folder that holds an earlier one, and stems that are no plain words."""

import dataclasses
import shutil

import pytest
from specs import NANODET_M

from nanodet import Detector, NanodetError
from nanodet.config import save_config
from nanodet.evaluate.calibrate import write_factors
from nanodet.export.earlier import tell_strangers, with_fitted
from nanodet.export.export import check_stem, export
from nanodet.export.onnx_nms import boxes_spec
from nanodet.export.specs import spec_with_files
from nanodet.export.stages import FP16, FP32, SIMPLIFIED
from nanodet.model.torch_backend import TorchBackend
from nanodet.original.export_script import main as script
from nanodet.runtime.engines.onnx import OnnxBackend
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import Spec


@pytest.fixture
def folder(exported_small, tmp_path):
    """A copy of the folder of an export to ONNX and ncnn."""
    shutil.copytree(exported_small.files[SIMPLIFIED].parent, tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.slow
def test_the_other_format_of_the_same_model_stays_listed(small_checkpoint, folder):
    write_factors(folder / "small.param", (1, 2, 3))
    before = Spec.load(folder / "small.json")
    said = []
    export(small_checkpoint, folder, formats=("onnx",), report=said.append)
    after = Spec.load(folder / "small.json")
    assert set(after.files) == set(before.files)
    assert after.files["small.param"] == before.files["small.param"]
    assert set(after.measured["against_torch"]) == {SIMPLIFIED, FP32}
    assert (
        after.edge_std_factors
        == OnnxBackend(folder / "small.onnx").spec.edge_std_factors
        == (1, 2, 3)
    )
    assert not any("another export" in line for line in said)
    assert len(Detector(folder / "small.param").class_names) == 3  # its spec still vouches for it


@pytest.mark.slow
@pytest.mark.parametrize("change", ["size", "damage"])
def test_what_is_of_another_export_is_told(small_checkpoint, folder, change):
    options, others = {}, ["small.param"]
    if change == "size":
        options, others = {"size": (64, 32)}, ["small.param", "small-fp16.param"]
    else:
        (folder / "small.bin").write_bytes(b"other weights")
    said = []
    export(small_checkpoint, folder, formats=("onnx",), report=said.append, **options)
    assert set(Spec.load(folder / "small.json").files) == {"small.onnx"}
    told = [line for line in said if "left from another export, not part of this one" in line]
    assert [line.split(": ")[0] for line in told] == [str(folder / name) for name in others]
    assert told[0].endswith("no longer runs, as small.json is this one's: use another --name")
    assert not any("no longer" in line for line in told[1:])
    with pytest.raises(NanodetError, match=r"was it renamed, or left from an earlier export\?"):
        Detector(folder / "small.param")


SPEC = Spec(
    ("a",), source={"sha256": "0" * 64}, bin_spacing=0.5,
    quality=QualityPredictor(1, 1, (0.5,) * 8, (0.1,), (1.0,), -1.0), **NANODET_M,
)  # fmt: skip


def save(spec, path):
    """Write a file of anything, and the spec that lists it."""
    path.write_bytes(b"any")
    spec_with_files(spec, path).save(path.with_suffix(".json"))


def test_a_graph_with_boxes_stays_part_of_the_export_whose_quality_it_contains(tmp_path):
    save(boxes_spec(SPEC), tmp_path / "m-nms.onnx")
    said = []
    tell_strangers(tmp_path, "m", SPEC, ["m.onnx"], [], said.append)
    assert said == []
    other = dataclasses.replace(SPEC, source={"sha256": "1" * 64})
    tell_strangers(tmp_path, "m", other, ["m.onnx"], [], said.append)
    assert len(said) == 1 and "left from another export" in said[0]


def test_an_export_keeps_the_calibration_of_the_same_model(tmp_path):
    measured = {"edge_std": {"seed": 0}, "against_torch": {}}
    save(
        dataclasses.replace(SPEC, edge_std_factors=(1, 2, 3), measured=measured),
        tmp_path / "m.onnx",
    )
    new = dataclasses.replace(SPEC, measured={"compared_on": "x"})
    found = with_fitted(new, tmp_path / "m.json")
    assert found.edge_std_factors == (1, 2, 3)
    assert found.measured == {"compared_on": "x", "edge_std": {"seed": 0}}
    scored = dataclasses.replace(SPEC, class_scores=(0.5,) * len(SPEC.class_names))
    save(
        dataclasses.replace(scored, measured={"class_scores": {"wish": "f1"}}), tmp_path / "m.onnx"
    )
    found = with_fitted(new, tmp_path / "m.json")
    assert (found.class_scores, found.edge_std_factors) == (scored.class_scores, None)
    assert found.measured == {"compared_on": "x", "class_scores": {"wish": "f1"}}
    other = dataclasses.replace(new, source={"sha256": "1" * 64})
    assert with_fitted(other, tmp_path / "m.json") is other
    assert with_fitted(new, tmp_path / "none.json") is new


@pytest.mark.slow
def test_a_stem_with_spaces(small_checkpoint, tmp_path):
    made = export(small_checkpoint, tmp_path, name="my model ü", report=lambda line: None)
    for one in (SIMPLIFIED, FP32, FP16):
        assert made.files[one].name.startswith("my model ü")
        assert Detector(made.files[one]).class_names[0] == "disc"


@pytest.mark.parametrize("name", ["", " a", "a ", ".a", "-a", "a/b", "a\\b", "a\nb", "a\0b"])
def test_impossible_stems(name):
    with pytest.raises(NanodetError, match="--out_path: "):
        check_stem(name, "--out_path")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--input_shape", "96,100"], "--input_shape 96,100: 100x96: width and height must be"),
        (["--out_path", ".onnx"], "--out_path: '.onnx' cannot be the stem"),
        (["--out_path", "."], "--out_path: . is a folder"),
        (["--model_path", "none.ckpt"], "none.ckpt: cannot read this checkpoint (No such"),
    ],
)
def test_messages_of_the_scripts_name_their_own_options(
    small_checkpoint, tmp_path, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(tmp_path)
    save_config(TorchBackend(small_checkpoint).config, "c.yml")
    start = ["--cfg_path", "c.yml"]
    if "--model_path" not in arguments:
        start += ["--model_path", str(small_checkpoint)]
    assert script("onnx", [*start, *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("nanodet: error: ") and words in line
