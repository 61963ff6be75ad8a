"""A quality predictor from the checkpoint to the files and back: same boxes, and a fault in it is named."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from faults import update_hashes

from nanodet.compare.twins import count_twins
from nanodet.errors import NanodetError
from nanodet.export import onnx_nms
from nanodet.export.import_model import import_model
from nanodet.export.stages import FP16, FP32, SIMPLIFIED
from nanodet.model.checkpoint import KEY, carried, read_checkpoint
from nanodet.model.network import build_network
from nanodet.model.quality.dgqp import Section
from nanodet.model.save_plain import save_plain
from nanodet.model.torch_backend import TorchBackend
from nanodet.quickstart.shapes import draw_picture
from nanodet.runtime.detector import Detector
from nanodet.runtime.engines import spec_file
from nanodet.runtime.spec import Spec
from nanodet.verify.verify import verify

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def checkpoint(small_checkpoint, tmp_path_factory):
    """The small checkpoint with a predictor whose weights matter."""
    found = read_checkpoint(small_checkpoint)
    config = found.config
    config.model.arch.head.quality = Section(topk=3, hidden=8)
    network = build_network(config.model.arch)
    network.load_state_dict(found.weights, strict=False)
    with torch.no_grad():
        for parameter in network.head.quality.parameters():
            parameter.normal_(std=2.0, generator=torch.Generator().manual_seed(3))
    path = tmp_path_factory.mktemp("quality") / "predicting.ckpt"
    state = {f"model.{name}": value for name, value in network.state_dict().items()}
    save_plain({"state_dict": state, KEY: carried(config)}, path)
    return path


@pytest.fixture(scope="module")
def folder(checkpoint, exported_small, tmp_path_factory):
    """What its export gives: the networks are those of the small checkpoint's."""
    folder, quality = tmp_path_factory.mktemp("files"), TorchBackend(checkpoint).spec.quality
    for stage in (SIMPLIFIED, FP32, FP16):
        for path in exported_small.files[stage].parent.glob(
            f"{exported_small.files[stage].stem}.*"
        ):
            shutil.copy(path, folder)
    for beside in folder.glob("*.json"):
        dataclasses.replace(Spec.load(beside), quality=quality).save(beside)
    file = folder / exported_small.files[SIMPLIFIED].name
    spec = dataclasses.replace(Spec.load(spec_file(file)), files={})
    onnx_nms.write_spec(file, spec)
    boxes = folder / f"{file.stem}-nms.onnx"
    onnx_nms.write(file, boxes, spec)
    onnx_nms.boxes_spec(spec).save(spec_file(boxes))
    for path in folder.glob("*.onnx"):
        update_hashes(path)
    return folder


def test_all_files_agree_with_the_checkpoint(checkpoint, folder):
    report = verify(checkpoint, [folder], limit=3)
    assert report.agrees
    assert {"onnx", "ncnn"} <= {row.name.split()[0] for row in report.rows}
    assert any(row.twins == 1 for row in report.rows)


def test_the_predictor_matters_and_a_graph_with_boxes_gives_the_same(folder, checkpoint):
    picture, *_ = draw_picture(np.random.default_rng(0))
    detectors = [
        Detector(path, score=0.05, fit="letterbox", size=(160, 96))
        for path in (checkpoint, *sorted(folder.glob("*.onnx")), *sorted(folder.glob("*.param")))
    ]
    found = [detector(picture) for detector in detectors]
    for other in found[1:]:
        twins, of = count_twins(found[0], other)
        assert twins == of > 0
        np.testing.assert_allclose(other.confidence, found[0].confidence, atol=2e-3)
    plain = detectors[-1]
    plain.spec.quality = None
    assert plain(picture).confidence.max() > found[0].confidence.max()


@pytest.mark.parametrize("kind", ["spec", "missing", "graph"])
def test_a_planted_fault_is_named(folder, checkpoint, tmp_path, kind):
    copied = shutil.copytree(folder, tmp_path / "files")
    param = next(copied.glob("*-fp16.param"))
    if kind == "graph":
        path = next(copied.glob("*-nms.onnx"))
        model = onnx.load(path)
        (weight,) = (one for one in model.graph.initializer if one.name.endswith("hidden_weight"))
        values = onnx.numpy_helper.to_array(weight).copy()
        values[5] += 0.5
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        onnx.save(model, path)
        update_hashes(path)
    else:
        path = param
        mapping = json.loads(spec_file(param).read_text())
        quality = mapping["output"].pop("quality")
        quality["output_weight"][2] += 0.5
        mapping["output"] |= {"quality": quality} if kind == "spec" else {}
        spec_file(param).write_text(json.dumps(mapping))
    report = verify(checkpoint, [copied], limit=1)
    wrong = {row.path.name for row in report.rows if row.verdict == "differs"}
    assert wrong == {path.name}
    text = str([row.faults for row in report.rows])
    wanted = {
        "spec": "output.quality.output_weight[2]: ",
        "missing": "output.quality: none, but the checkpoint has one",
        "graph": "output.quality.hidden_weight[5]: ",
    }
    assert wanted[kind] in text


@pytest.mark.slow
def test_an_import_takes_it_back(folder, checkpoint, tmp_path):
    param = next(path for path in folder.glob("*.param") if "fp16" not in path.name)
    lines = []
    made = import_model(param, None, tmp_path / "back.ckpt", report=lines.append)
    ours, back = (TorchBackend(path).network.head.quality for path in (checkpoint, made.path))
    for one, other in zip(ours.parameters(), back.parameters(), strict=True):
        assert torch.equal(one, other)
    assert TorchBackend(made.path).spec.quality == TorchBackend(checkpoint).spec.quality


@pytest.mark.parametrize("has", [True, False])
def test_an_import_needs_both_sides_to_have_one(folder, exported_small, checkpoint, tmp_path, has):
    source = exported_small.files[SIMPLIFIED]
    source = folder / source.name if has else source
    config = read_checkpoint(checkpoint).config
    config.model.arch.head.quality.hidden = 8 if not has else 16
    line = "has a quality predictor \\(DGQP, topk 3, hidden 8\\), but .* is DGQP, topk 3, hidden 16"
    if not has:
        line = "its spec has no quality predictor, but model.arch.head.quality of x.yml is DGQP"
    with pytest.raises(NanodetError, match=line):
        import_model(source, config, tmp_path / "x.ckpt", report=lambda line: None, file="x.yml")
    assert not any(tmp_path.iterdir())
