"""Bad arguments, models and images end nanodet-detect in one line, and in no report of a sanitizer."""

import json
import os
import shutil
import socket
import subprocess

import cv2
import numpy as np
import pytest
from cpp_detect import fails, run
from endless_onnx import damaged_files, hostile_models

from nanodet.errors import NanodetError
from nanodet.export.stages import FP32, SIMPLIFIED
from nanodet.runtime.engines.onnx_check import check_onnx


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "needs a MODEL and a SOURCE"),
        (["--what", "1"], "--what: there is no such option"),
        (["M", "P", "--score", "2"], "--score: must be a number, 0 to 1, not '2'"),
        (["M", "P", "--score", "x"], "--score: must be a number"),
        (["M", "P", "--threads", "0"], "--threads: must be a whole number"),
        (["M", "P", "--threads"], "--threads: needs a value"),
        (["M", "P", "--size", "300x320", "--jsonl", "-"], "300x320: width and height must be mult"),
        (["M", "P", "--size", "300"], "--size: must be WxH"),
        (["M", "P", "--fit", "crop"], "--fit: must be own, letterbox or stretch"),
        (["M", "missing.jpg", "--jsonl", "-"], "missing.jpg: there is no such file"),
        (["missing.onnx", "P", "--jsonl", "-"], "missing.onnx: there is no such model file"),
        (["P", "P", "--jsonl", "-"], "unknown kind of model"),
        (["M", "P", "--jsonl", "/nowhere/x"], "/nowhere/x: cannot be written"),
        (["M", "P", "--precision", "fp16", "--jsonl", "-"], "only an ncnn model"),
        (["M", "P", "--vulkan", "--jsonl", "-"], "this build has no Vulkan"),
    ],
)
def test_bad_arguments(cpp_programs, small, picture, words, message):
    words = [{"M": small, "P": picture}.get(word, word) for word in words]
    assert message in fails(cpp_programs.detect, *words)


def test_a_model_that_takes_several_pictures_at_once(cpp_programs, small_batch, picture):
    line = fails(cpp_programs.detect, small_batch, picture, "--jsonl", "-")
    assert line == (
        f"{small_batch} (its own spec): input.batch: the model takes 3 images at once, this "
        "library one: export without --batch"
    )


def test_graphs_that_may_run_for_ever_are_refused_as_in_python(
    cpp_programs, small, picture, tmp_path
):
    models = {n: (m.SerializeToString(), words) for n, (m, words) in hostile_models(small).items()}
    models |= {n: (data, "not a usable ONNX model") for n, data in damaged_files(small).items()}
    path = tmp_path / "strange.onnx"
    for name, (data, words) in models.items():
        path.write_bytes(data)
        with pytest.raises(NanodetError) as caught:
            check_onnx(path)
        line = fails(cpp_programs.detect, path, picture, "--jsonl", "-")
        assert words in line and line == str(caught.value), name


@pytest.mark.parametrize("suffix", [".mp4", ".jpg", ".ppm", ".gif", ""])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_pipe_is_no_source(cpp_programs, small, tmp_path, kind, suffix):
    path = tmp_path / f"x{suffix}"
    make_special(kind, path)
    line = fails(cpp_programs.detect, small, path, "--jsonl", "-")
    assert line == f"{path}: is a device or a pipe, not an image or a video"
    line = fails(cpp_programs.detect, small, tmp_path, "--jsonl", "-")
    assert line == f"{tmp_path}: no images in this folder"


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_special_files_in_place_of_those_of_a_model(
    cpp_programs, exported_small, picture, tmp_path, kind
):
    """With ncnn each file of a model; the image of nanodet-bench too."""
    suffixes = [".onnx"]
    if os.environ.get("ncnn_DIR"):
        suffixes += [".param", ".bin", ".json"]
    for suffix in suffixes:
        folder = tmp_path / suffix
        shutil.copytree(exported_small.files[FP32].parent, folder)
        model = folder / exported_small.files[FP32].name
        if suffix == ".onnx":
            model = folder / exported_small.files[SIMPLIFIED].name
        changed = model.with_suffix(suffix)
        changed.unlink()
        make_special(kind, changed)
        line = fails(cpp_programs.detect, model, picture, "--jsonl", "-")
        assert str(changed) in line
    make_special(kind, tmp_path / "x.ppm")
    words = [cpp_programs.bench, exported_small.files[SIMPLIFIED], "--image", tmp_path / "x.ppm"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "it is a device or a pipe, not a file" in done.stderr


def make_special(kind, path):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    else:
        path.symlink_to(kind)


def test_a_window_without_a_display(cpp_programs, small, picture, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "no display" in fails(cpp_programs.detect, small, picture)


@pytest.fixture
def detect(sanitized_detect):
    return sanitized_detect


@pytest.mark.parametrize("size", [(1, 1), (8000, 1), (1, 8000)])
def test_tiny_and_thin_pictures(detect, small, tmp_path, size):
    cv2.imwrite(str(tmp_path / "p.png"), np.full((*size, 3), 200, np.uint8))
    run(detect, small, tmp_path / "p.png", "--jsonl", "-", "--score", 0.05)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_truncated_pictures(detect, small, tmp_path, suffix):
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = cv2.imencode(suffix, picture)[1].tobytes()
    folder = tmp_path / "in"
    folder.mkdir()
    lengths = (0, 1, 30, len(data) // 2, len(data) - 5, len(data))
    for n, length in enumerate(lengths):
        (folder / f"{n}{suffix}").write_bytes(data[:length])
    said, warned = run(detect, small, folder, "--jsonl", "-", status=1)
    (line,) = said.splitlines()
    assert json.loads(line)["source"] == f"{folder}/5{suffix}", "the sound image is done"
    *warnings, last = warned.splitlines()
    assert last.endswith("5 of 6 images could not be read")
    for n, warning in enumerate(warnings):
        assert warning.startswith(f"nanodet-detect: warning: {folder}/{n}{suffix}: ")
    assert fails(detect, small, folder / f"3{suffix}", "--jsonl", "-").endswith("truncated")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("class_names", ["a"], "its output is"),
        ("output.reg_max", 15, "its output is"),
        ("output.strides", [8, 16], "its output is"),
        ("output.name", "other", "its spec says input data and output other"),
        ("input.name", "other", "its spec says input other"),
        ("input.width", 96, None),
        ("input.width", 100, "multiples of 32"),
        ("input.fit", "crop", "input.fit: must be one of"),
    ],
)
def test_models_that_do_not_fit_their_spec(detect, small, picture, key, value, message):
    import onnx

    model = onnx.load(small)
    (entry,) = (p for p in model.metadata_props if p.key == "nanodet")
    spec = json.loads(entry.value)
    *parents, last = key.split(".")
    inner = spec
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    entry.value = json.dumps(spec)
    onnx.save(model, small)
    if message is None:  # the graph takes other sizes too
        run(detect, small, picture, "--jsonl", "-")
    else:
        line = fails(detect, small, picture, "--jsonl", "-")
        assert line.startswith(str(small))
        assert message in line


def test_files_that_are_no_models(detect, picture, tmp_path):
    for data in (b"", b"\x08", bytes(1000)):
        (tmp_path / "no.onnx").write_bytes(data)
        assert "no.onnx: " in fails(detect, tmp_path / "no.onnx", picture, "--jsonl", "-")


@pytest.mark.parametrize("suffix", [".onnx", ".param"])
def test_more_threads_than_the_system_starts(cpp_programs, exported_small, picture, suffix):
    """OpenMP would end the process, and with it Java's."""
    if suffix == ".param" and not os.environ.get("ncnn_DIR"):
        pytest.skip("no C++ library of ncnn")
    model = exported_small.files[FP32].with_suffix(suffix)
    limited = 'ulimit -v 2500000 && exec "$@"'  # stacks have 8 MiB each
    line = fails("bash", "-c", limited, "-", cpp_programs.detect, model, picture, "--jsonl", "-",
                 "--threads", "1000")  # fmt: skip
    assert line.startswith("threads: 1000 are more than this system lets a process start")
