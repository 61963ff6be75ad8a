"""ONNX files of strangers are refused before an engine has them."""

import time

import cv2
import numpy as np
import pytest
from endless_onnx import damaged_files, hostile_models
from hypothesis import given
from hypothesis import strategies as st

from nanodet.cli.main import main
from nanodet.errors import NanodetError
from nanodet.export.stages import SIMPLIFIED
from nanodet.runtime.detector import Detector
from nanodet.runtime.engines import choices
from nanodet.runtime.engines.onnx_check import check_onnx


@pytest.fixture(scope="module")
def real(exported_small):
    return exported_small.files[SIMPLIFIED]


@pytest.fixture(scope="module")
def hostile(real, tmp_path_factory):
    """Path to words of its refusal."""
    folder, made = tmp_path_factory.mktemp("hostile"), {}
    for name, (model, words) in hostile_models(real).items():
        path = folder / f"{name.replace('/', '_')}.onnx"
        path.write_bytes(model.SerializeToString())
        made[path] = words
    for name, data in damaged_files(real).items():
        path = folder / f"{name}.onnx"
        path.write_bytes(data)
        made[path] = "not a usable ONNX model"
    return made


def test_real_files_pass(exported_small, small_batch):
    for path in exported_small.files.values():
        if path.suffix == ".onnx":
            check_onnx(path)
    check_onnx(small_batch)


def test_graphs_in_graphs_and_values_in_other_files_are_refused(hostile):
    began = time.monotonic()
    for path, words in hostile.items():
        for engine in choices():
            with pytest.raises(NanodetError) as caught:
                Detector(path, engine=engine)
            assert str(caught.value).startswith(f"{path}: ") and words in str(caught.value)
    assert time.monotonic() - began < 60


def test_commands_say_it_in_one_line(real, hostile, capfd, tmp_path):
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), np.zeros((40, 60, 3), np.uint8))
    path = next(path for path in hostile if path.stem == "endless loop")
    detect = ["detect", path, picture, "--out", tmp_path / "out"]
    for words in (detect, ["info", path], ["bench", path]):
        assert main(list(map(str, words))) == 1
        lines = capfd.readouterr().err.splitlines()
        assert sum("operation 'Loop' contains a subgraph" in line for line in lines) == 1
    assert main(["verify", str(real), str(path)]) == 1
    assert "model: operation 'Loop'" in capfd.readouterr().out.replace(f"{path}: ", "")


@given(st.data())
def test_a_changed_file_passes_or_is_one_line(real, tmp_path_factory, data):
    whole = bytearray(real.read_bytes())
    # where the form is dense: what is no weights
    at = data.draw(st.one_of(st.integers(0, 3000), st.integers(0, len(whole) - 1)))
    whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    path = tmp_path_factory.getbasetemp() / "changed.onnx"
    path.write_bytes(whole)
    try:
        check_onnx(path)
    except NanodetError as error:
        assert str(error).startswith(f"{path}: ")
