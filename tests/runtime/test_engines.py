"""The table of engines: what there is, and that another engine is one module and one line."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from specs import NANODET_M

from nanodet import Detector, NanodetError
from nanodet.bench.plan import plan_entries
from nanodet.runtime import engines
from nanodet.runtime.decode import detections_of
from nanodet.runtime.engines import ENGINES, KINDS, NCNN, Engine, ModelKind, Request
from nanodet.runtime.fit import place
from nanodet.runtime.spec import Spec
from nanodet.runtime.thresholds import Thresholds
from nanodet.verify.artefacts import find_models, open_stages

SPEC = Spec(("disc", "square"), (64, 64), fit="stretch", any_size=True, **NANODET_M)


class Toy:
    """Finds one disc of two strides to each side at the first point, whatever the image."""

    def __init__(self, path, request):
        self.path, self.threads = str(path), request.threads
        self.spec = Spec.from_json(open(path).read(), self.path)

    def run(self, tensor):
        output = np.zeros((SPEC.point_count(tensor.shape[:1:-1]), SPEC.channels), np.float32)
        output[0, 0] = 0.75
        output[:, 2:].reshape(-1, 4, 8)[..., 2] = 50
        return output


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """A model file of a kind, for an engine, that nothing in the package knows."""
    module = SimpleNamespace(load=Toy, describe=lambda backend: ("toy 1", {"threads": 1}))
    monkeypatch.setitem(sys.modules, "toy_engine", module)
    kind = ModelKind("a toy model", (".toy",), companions=(".toy.bin",), spec_inside=True)
    monkeypatch.setattr(engines, "KINDS", (*KINDS, kind))
    engine = Engine(kind, "json", "toy_engine", ("fp32", "bf16"))
    monkeypatch.setitem(ENGINES, "toy", engine)
    path = tmp_path / "m.toy"
    path.write_text(json.dumps(SPEC.to_dict()))
    return path


def test_another_engine_is_one_module_and_one_line(toy):
    found = Detector(toy, threads=1)(np.zeros((64, 64, 3), np.uint8))
    assert found.class_id.tolist() == [0] and found.confidence.tolist() == [0.75]
    assert found.xyxy.tolist() == [[0, 0, 20, 20]]  # around (4, 4), clipped to the image
    assert Detector(toy, precision="bf16").spec == SPEC
    assert engines.files_of(toy) == [toy, toy.with_suffix(".toy.bin")]
    with pytest.raises(NanodetError, match=r"only an ncnn model \(.param\) has it"):
        engines.load(toy, Request(precision="fp16"))
    entries = plan_entries([str(toy)], precisions=("fp32", "bf16"))
    assert [entry.precision for entry in entries] == ["fp32", "bf16"]
    (stage,) = open_stages(find_models(toy.parent))
    assert stage.engine == "toy" and not stage.failure and stage.backend.spec == SPEC
    assert engines.describe(stage.backend) == ("toy 1", {"threads": 1})


def test_what_no_engine_runs_is_one_line(tmp_path):
    path = tmp_path / "m.tflite"
    path.touch()
    with pytest.raises(
        NanodetError, match=r"unknown kind of model; known: .ckpt, .pth, .onnx, .param"
    ):
        engines.load(path)
    with pytest.raises(NanodetError, match=r"engine openvino only runs .onnx files"):
        engines.load(tmp_path / "m.PARAM", name="openvino")
    assert engines.kind_of("a/M.PARAM") is NCNN
    assert engines.choices() == ("onnxruntime", "openvino")


@pytest.mark.parametrize("form", ["distributions", "boxes"])
def test_both_forms_of_output_become_the_same_detections(toy, form):
    placement = place("stretch", (128, 32), (64, 64))
    output = Detector(toy).backend.run(np.zeros((1, 3, 64, 64), np.float32))
    spec = SPEC if form == "distributions" else Spec(SPEC.class_names, form=form, **NANODET_M)
    if form == "boxes":
        output = np.array([[-12, -12, 20, 20, 0.75, 0], [0, 0, 9, 9, 0.5, 1]], np.float32)
    limits = Thresholds.of(spec, per_picture=1)
    found = detections_of(output, spec, placement, (128, 32), limits)
    assert found.xyxy.tolist() == [[0, 0, 40, 10]]
    assert (found.class_id.tolist(), found.class_names) == ([0], SPEC.class_names)
