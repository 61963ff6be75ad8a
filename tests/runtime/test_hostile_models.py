"""A stranger's ncnn model: refused in one line, or run; the process never ends by a signal."""

from dataclasses import replace

import cv2
import hostile_models
import hostile_onnx
import numpy as np
import pytest
from detect_worker import Worker as DetectWorker
from ncnn_worker import Worker

from nanodet import Detector, NanodetError
from nanodet.export.stages import FP32, SIMPLIFIED
from nanodet.runtime.engines.ncnn import NcnnBackend

SIZE = (160, 96)


@pytest.fixture(scope="module")
def model(exported_small):
    return hostile_models.Model.load(exported_small.files[FP32])


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """A function that loads and runs a `hostile_models.Model` in a child process."""
    worker, param = Worker(), tmp_path_factory.mktemp("hostile") / "m.param"
    yield lambda model: worker.run(model.write(param), SIZE)
    worker.close()


@pytest.mark.parametrize("step", [12, pytest.param(1, marks=pytest.mark.slow)])
def test_hostile_models_are_refused(model, ask, step):
    sets = hostile_models.refused(model)
    assert len(sets) > 400
    for name in list(sets)[::step]:
        answer = ask(sets[name])
        assert ".json: " in answer or "m.param: " in answer or "m.bin: " in answer, (name, answer)
        assert answer.isprintable() and len(answer) < 1000, name


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_unusual_models_are_run(model, ask, tmp_path, step):
    made = hostile_models.same(model)
    # the layers that change nothing once ended the process
    chosen = {*list(made)[::step], *(name for name in made if "image itself" in name)}
    sets = {name: made[name] for name in ["as exported", *sorted(chosen)]}
    for name, one in (sets | hostile_models.others(model)).items():
        assert ask(one) == "ran", name
    picture = np.random.default_rng(0).integers(0, 256, (96, 160, 3), np.uint8)
    found = {}
    for name, one in sets.items():
        detector = Detector(one.write(tmp_path / "m.param"), threads=1)
        found[name] = detector.run(detector.preprocess(picture)[0])
    expected = found["as exported"]
    for name, output in found.items():
        assert np.array_equal(output, expected), name


def test_layers_that_only_ncnn_knows(model, ask):
    for one, words in hostile_models.other_kinds(model):
        answer = ask(one)
        if words is None:
            assert answer == "ran"
        else:
            assert "m.param: " in answer and words in answer and answer.isprintable()


def test_they_need_a_spec_that_vouches_for_them(model, tmp_path):
    """`nanodet verify` opens such files too, and says that they are not those of the spec."""
    one, _ = hostile_models.other_kinds(model)[0]
    param = one.write(tmp_path / "m.param")
    assert NcnnBackend(param, strict=False).graph.layers[1].kind == "DeepCopy"
    param.write_bytes(param.read_bytes() + b"\n")
    with pytest.raises(NanodetError, match="layer d: DeepCopy is not known in a NanoDet"):
        NcnnBackend(param, strict=False)


def test_weights_before_and_behind_them(model, ask):
    one, _ = hostile_models.other_kinds(model)[0]
    for length in (0, 1000):  # less than the least that its layers may keep
        answer = ask(replace(one, weights=one.weights[:length]))
        assert "m.bin: is " in answer and " at least" in answer
    for length in (len(one.weights) // 2, len(one.weights) - 4):
        assert "m.param: ncnn cannot run it" in ask(replace(one, weights=one.weights[:length]))
    # behind them, only ncnn can tell where weights end
    assert ask(replace(one, weights=one.weights + b"more")) == "ran"


@pytest.mark.parametrize("step", [24, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_hostile_onnx_files_end_in_boxes_or_one_line(exported_small, tmp_path, engine, step):
    picture, model, worker = tmp_path / "p.png", tmp_path / "m.onnx", DetectWorker()
    cv2.imwrite(str(picture), np.zeros((48, 64, 3), np.uint8))
    sets = hostile_onnx.sets(exported_small.files[SIMPLIFIED])
    for name in sorted({*list(sets)[::step], "an output that is one number"}):
        model.write_bytes(sets[name])
        answer = worker.detect(model, picture, engine)
        assert "detections" in answer or answer["error"].isprintable(), (name, answer)
    worker.close()
