"""Files whose network the export rewrote: compared, explained and imported as any other."""

import dataclasses
import gc
import shutil

import numpy as np
import pytest
import torch
from faults import edit_spec, edit_weights, one_weight, update_hashes

from nanodet.cli.main import main
from nanodet.compare.tensors import picture_tensors
from nanodet.errors import NanodetError
from nanodet.export.earlier import same_model, with_fitted
from nanodet.export.export import export
from nanodet.export.import_model import import_model
from nanodet.export.stages import FP32, SIMPLIFIED
from nanodet.export.trainable import trainable
from nanodet.model.torch_backend import TorchBackend
from nanodet.ncnn_files.graph import Graph
from nanodet.runtime.detector import Detector
from nanodet.runtime.engines import load
from nanodet.runtime.engines.onnx import OnnxBackend
from nanodet.verify.trace import convolutions
from nanodet.verify.verify import verify


@pytest.fixture(scope="module")
def plain(odd_checkpoint, tmp_path_factory):
    """The same model as it was trained, in ncnn alone."""
    folder = tmp_path_factory.mktemp("plain")
    return export(
        odd_checkpoint, folder, formats=("ncnn-fp32",), target="plain", report=lambda line: None
    )


@pytest.fixture()
def copied(exported_rewritten, tmp_path):
    """The ncnn model alone, in a folder of its own."""
    param = exported_rewritten.files[FP32]
    for suffix in (".param", ".bin"):
        shutil.copy(param.with_suffix(suffix), tmp_path / f"m{suffix}")
    shutil.copy(param.with_suffix(".json"), tmp_path / "m.json")
    edit_spec(tmp_path / "m.json", files={"m.param": "", "m.bin": ""})
    update_hashes(tmp_path / "m.param")
    return tmp_path / "m.param"


def rows_of(report, kind="fp32"):
    return [row for row in report.rows if row.kind == kind and not row.name.startswith("openvino")]


def test_the_graph_is_another_and_its_numbers_are_those_of_torch(
    exported_rewritten, plain, odd_checkpoint
):
    new, old = (Graph.load(one.files[FP32]) for one in (exported_rewritten, plain))
    kinds = [layer.kind for layer in new.layers]
    assert "Permute" not in kinds and "Sigmoid" not in kinds
    # those of stage 4, whose 232 channels are a multiple of 8
    assert kinds.count("ShuffleChannel") == 4
    assert [one.kind for one in old.layers].count("ShuffleChannel") == 16
    assert len(kinds) < len(old.layers)
    assert new.outputs() == ["output_8", "output_16", "output_32"]
    for stage in (FP32, SIMPLIFIED):
        (result,) = (one for one in exported_rewritten.results if one.name == stage)
        assert result.score_max < 1e-5 and result.edge_steady < 1e-3
    assert exported_rewritten.spec.rewriting["for"] == "x86"


def test_detections_are_the_same(exported_rewritten, plain):
    picture = np.random.default_rng(0).integers(0, 255, (200, 160, 3), np.uint8)
    new, old = (
        Detector(one.files[FP32], threads=1)(picture) for one in (exported_rewritten, plain)
    )
    assert len(old) > 0
    np.testing.assert_array_equal(new.class_id, old.class_id)
    np.testing.assert_allclose(new.xyxy, old.xyxy, atol=0.01)
    np.testing.assert_allclose(new.confidence, old.confidence, atol=1e-5)


def test_all_stages_agree(exported_rewritten, odd_checkpoint):
    folder = exported_rewritten.files[FP32].parent
    report = verify(odd_checkpoint, [folder], limit=2)
    assert [row.faults for row in rows_of(report)] == [[]] * len(rows_of(report))


def test_a_changed_weight_is_found_at_its_name(copied, odd_checkpoint):
    backend = load(copied)
    theirs = convolutions(TorchBackend(odd_checkpoint), backend.spec)
    (place,) = (i for i, one in enumerate(theirs) if one.layer == "backbone.stage3.2.branch2.0")
    layer = convolutions(backend)[place].layer
    edit_weights(copied, one_weight(layer))
    update_hashes(copied)
    (row,) = rows_of(verify(odd_checkpoint, [copied], limit=2))
    ((part, text),) = row.faults
    assert part == "network" and f"backbone.stage3.2.branch2.0 (layer {layer})" in text
    assert "1 of " in text and " weights differs, by 0.1" in text


def test_files_that_were_rewritten_in_different_ways_are_compared_by_their_outputs(
    exported_rewritten, plain
):
    report = verify(plain.files[FP32], [exported_rewritten.files[FP32]], limit=2)
    assert [row.faults for row in rows_of(report)] == [[]]


@pytest.mark.parametrize("stage", [FP32, pytest.param(SIMPLIFIED, marks=pytest.mark.slow)])
def test_import_puts_every_weight_back(stage, exported_rewritten, odd_checkpoint, tmp_path):
    out = tmp_path / "back.ckpt"
    import_model(exported_rewritten.files[stage], None, out, report=lambda line: None)
    (tensor,) = picture_tensors(exported_rewritten.spec, None, 1)
    ours, theirs = (TorchBackend(path).run(tensor) for path in (odd_checkpoint, out))
    np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4)
    new, old = (TorchBackend(path).network.state_dict() for path in (out, odd_checkpoint))
    assert {k: v.shape for k, v in new.items()} == {k: v.shape for k, v in old.items()}


def test_import_finds_out_how_a_file_without_its_spec_was_rewritten(
    copied, odd_checkpoint, tmp_path
):
    copied.with_suffix(".json").unlink()
    config = TorchBackend(odd_checkpoint).config
    import_model(copied, config, tmp_path / "back.ckpt", report=lambda line: None)
    image = torch.zeros(1, 3, 64, 64)
    with torch.inference_mode():
        ours = TorchBackend(odd_checkpoint).network(image)
        theirs = TorchBackend(tmp_path / "back.ckpt").network(image)
    torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-4)


def test_a_spec_that_does_not_say_how_is_one_line(copied, odd_checkpoint, tmp_path):
    edit_spec(copied.with_suffix(".json"), rewriting={"for": "x86"})
    with pytest.raises(NanodetError, match=r"m\.json: rewriting: does not say how"):
        import_model(copied, None, tmp_path / "back.ckpt", report=lambda line: None)


def test_other_sizes_are_taken(exported_rewritten, odd_checkpoint):
    other = exported_rewritten.spec.at_size((224, 96))
    (tensor,) = picture_tensors(dataclasses.replace(other), None, 1)
    wanted = TorchBackend(odd_checkpoint).run(tensor)
    for backend in (
        load(exported_rewritten.files[FP32]),
        OnnxBackend(exported_rewritten.files[SIMPLIFIED]),
    ):
        np.testing.assert_allclose(backend.run(tensor), wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_tuning_takes_a_plan_that_agrees(odd_checkpoint, tmp_path):
    lines = []
    made = export(
        odd_checkpoint,
        tmp_path,
        formats=("ncnn-fp32",),
        target="x86",
        tune=True,
        report=lines.append,
    )
    assert sum(line.startswith("tune: ") for line in lines) == 5
    assert made.spec.rewriting["for"] == "this CPU"
    assert all(one.agrees for one in made.results)


def test_maps_outlive_their_detector(exported_rewritten):
    backend = load(exported_rewritten.files[FP32])
    tensor = np.zeros((1, 3, 160, 160), np.float32)
    maps = backend.maps(tensor)
    before = [one.copy() for one in maps]
    del backend
    gc.collect()
    other = load(exported_rewritten.files[FP32])
    other.maps(tensor + 1)
    assert all((one == kept).all() for one, kept in zip(maps, before, strict=True))


def test_an_unknown_target_is_one_line(odd_checkpoint, tmp_path):
    with pytest.raises(
        NanodetError, match=r"^--for: must be one of any, x86, arm, plain, not 'gpu'$"
    ):
        export(odd_checkpoint, tmp_path, target="gpu", report=lambda line: None)


def test_a_spec_that_does_not_say_how_is_not_taken_for_the_checkpoints(odd_checkpoint):
    reference = TorchBackend(odd_checkpoint)
    with pytest.raises(NanodetError, match=r"^its spec: rewriting: does not say how"):
        convolutions(reference, dataclasses.replace(reference.spec, rewriting={}))


def test_a_calibration_outlives_an_export_for_another_target(exported_rewritten, tmp_path):
    spec = exported_rewritten.spec
    factors = (1.0, 2.0, 3.0)
    dataclasses.replace(spec, edge_std_factors=factors).save(tmp_path / "m.json")
    other = dataclasses.replace(spec, layout="rows", rewriting=None)
    assert with_fitted(other, tmp_path / "m.json").edge_std_factors == factors
    assert same_model(tmp_path, "m", other, []) == ({}, {})  # but no file of it is of the new spec


def test_tuning_of_a_network_that_is_to_stay_is_one_line(odd_checkpoint, tmp_path):
    with pytest.raises(
        NanodetError, match=r"^--tune: rewrites the network, and --for plain leaves"
    ):
        export(odd_checkpoint, tmp_path, target="plain", tune=True, report=lambda line: None)


def test_info_tells_the_forms_apart(exported_rewritten, capsys):
    assert main(["info", str(exported_rewritten.files[FP32])]) == 0
    assert "graph       rewritten for x86; one map of logits per level" in capsys.readouterr().out


def test_a_training_starts_from_a_rewritten_file(exported_rewritten, odd_checkpoint):
    own = TorchBackend(odd_checkpoint).config
    found = trainable(exported_rewritten.files[FP32], own, None, lambda line: None)
    assert found.config.model.arch.head.box_code == own.model.arch.head.box_code
    network = TorchBackend(odd_checkpoint).network
    shapes = {f"model.{name}": value.shape for name, value in network.state_dict().items()}
    assert {k: v.shape for k, v in found.raw["state_dict"].items()} == shapes
