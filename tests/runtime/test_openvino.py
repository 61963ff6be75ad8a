"""The OpenVINO backend beside ONNX Runtime."""

import json

import numpy as np
import onnx
import pytest
from onnx import helper

from nanodet import Detector, NanodetError
from nanodet.compare.outputs import compare_stages
from nanodet.compare.tensors import generated_picture, picture_tensors
from nanodet.export.stages import FP32, SIMPLIFIED
from nanodet.runtime.spec import ONNX_METADATA_KEY

pytest.importorskip("openvino")


@pytest.fixture
def model(exported_small):
    return exported_small.files[SIMPLIFIED]


@pytest.mark.parametrize("size", [(160, 96), (32, 32), (96, 256)])
def test_it_computes_what_onnx_runtime_computes(model, size):
    detectors = Detector(model, engine="openvino", threads=1), Detector(model)
    tensors = picture_tensors(detectors[1].spec.at_size(size), count=2)
    (result,) = compare_stages(detectors[1].backend, {"openvino": detectors[0].backend}, tensors)
    assert result.agrees and result.score_max < 1e-5, result
    assert detectors[0].spec == detectors[1].spec


def test_detections_are_the_same(model):
    picture = generated_picture(3)
    found, expected = (
        Detector(model, engine=engine, score=0.3)(picture) for engine in ("openvino", "onnxruntime")
    )
    assert len(expected) > 3
    np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=0.05)
    assert found.class_id.tolist() == expected.class_id.tolist()


def test_an_output_is_not_changed_by_the_next_run(model):
    backend = Detector(model, engine="openvino").backend
    first, second = picture_tensors(backend.spec, count=2)
    kept = backend.run(first)
    copy = kept.copy()
    backend.run(second)
    assert (kept == copy).all()


def test_wrong_files_are_one_line(model, exported_small, tmp_path):
    with pytest.raises(NanodetError, match=r"engine openvino only runs \.onnx files"):
        Detector(exported_small.files[FP32], engine="openvino")
    with pytest.raises(NanodetError, match="engine: must be one of"):
        Detector(model, engine="tensorrt")
    broken = tmp_path / "m.onnx"
    for data in (b"", b"hello", model.read_bytes()[:5000]):
        broken.write_bytes(data)
        with pytest.raises(NanodetError, match=r"m\.onnx: "):
            Detector(broken, engine="openvino")
    wrong = onnx.load(model)
    mapping = json.loads({p.key: p.value for p in wrong.metadata_props}[ONNX_METADATA_KEY])
    for key, value, said in (("strides", [8, 16], "spec says 300"), ("reg_max", 9, "x 10")):
        other = json.loads(json.dumps(mapping))
        other["output"][key] = value
        helper.set_model_props(wrong, {ONNX_METADATA_KEY: json.dumps(other)})
        onnx.save(wrong, broken)
        with pytest.raises(NanodetError, match=said):
            Detector(broken, engine="openvino")
