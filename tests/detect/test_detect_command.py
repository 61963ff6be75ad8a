"""`nanodet detect` as a real process: what it writes, what it says, how it ends."""

import os
import sys

import cv2
import numpy as np
import pytest
from box_model import BOX
from detect_process import detect, error_line, json_lines, names, picture
from moving_pictures import (
    truncate,
    write_video,
)

from nanodet.detect.window import import_problem


def test_folder_of_pictures(model, tmp_path):
    shots, out = tmp_path / "my shots", tmp_path / "out ü"
    for name in ("a.jpg", "a.png", "ö 日本.bmp", "wide.jp2"):
        picture(shots / name)
    picture(shots / "black.png", 0)
    code, text, err = detect(model, shots, "--out", out)
    assert (code, err) == (0, "")
    assert names(out) == sorted([f.name for f in shots.iterdir()] + ["detections.jsonl"])
    assert f"{shots / 'a.jpg'}: 1 lamp " in text and f"{shots / 'black.png'}: nothing " in text
    lines = json_lines(out)
    assert [line["source"] for line in lines] == [str(f) for f in sorted(shots.iterdir())]
    first = lines[0]
    assert (first["frame"], first["time_s"], first["width"], first["height"]) == (
        None,
        None,
        128,
        96,
    )
    (found,) = first["detections"]
    assert (found["class_id"], found["class_name"]) == (1, "lamp")
    assert found["xyxy"] == pytest.approx(np.array(BOX) * [128, 96, 128, 96], abs=0.01)
    drawn = cv2.imread(str(out / "a.png"))
    assert drawn.shape == (96, 128, 3) and (drawn != 150).any()
    assert (cv2.imread(str(shots / "a.png")) == 150).all()


def test_folders_inside_and_hidden_files_are_left_out(model, tmp_path):
    picture(tmp_path / "in" / "a.jpg")
    picture(tmp_path / "in" / "deeper" / "b.jpg")
    (tmp_path / "in" / "._a.jpg").write_bytes(b"what macOS leaves beside each file")
    code, _, err = detect(model, tmp_path / "in", "--out", tmp_path / "out")
    (line,) = err.splitlines()
    assert code == 0 and "the images of folders inside it are left out" in line
    assert names(tmp_path / "out") == ["a.jpg", "detections.jsonl"]


def test_broken_pictures_are_left_out_and_counted(model, tmp_path):
    for n in range(3):
        picture(tmp_path / "in" / f"{n}.jpg")
    truncate(tmp_path / "in" / "1.jpg", 0.5)
    code, text, err = detect(model, tmp_path / "in", "--out", tmp_path / "out")
    assert code == 1 and "2.jpg: 1 lamp" in text
    warning, error = err.splitlines()
    assert warning.startswith("nanodet: warning: ") and "1.jpg" in warning
    assert error.endswith("1 of 3 images could not be read")
    assert names(tmp_path / "out") == ["0.jpg", "2.jpg", "detections.jsonl"]
    assert len(json_lines(tmp_path / "out")) == 2


def test_one_broken_picture_is_one_line(model, tmp_path):
    (tmp_path / "p.jpg").touch()
    code, _, err = detect(model, tmp_path / "p.jpg", "--out", tmp_path / "out")
    assert code == 1 and "p.jpg" in error_line(err)
    assert names(tmp_path / "out") == []


@pytest.mark.parametrize("source", ["a.jpg", "v.avi", "broken.jpg"])
def test_errors_leave_no_folder(model, tmp_path, source):
    picture(tmp_path / "a.jpg")
    write_video(tmp_path / "v.avi", 3)
    (tmp_path / "broken.jpg").write_bytes(b"x")
    wrong = model if source == "broken.jpg" else tmp_path / "no.onnx"
    code, _, err = detect(wrong, tmp_path / source, "--out", tmp_path / "new" / "out")
    assert code == 1 and ("no.onnx" in error_line(err) or "broken.jpg" in err)
    assert not (tmp_path / "new").exists()


def test_same_names_from_several_folders(model, tmp_path):
    for folder in ("x", "y", "y/z"):
        picture(tmp_path / "in" / folder / "a.jpg")
    code, _, _ = detect(model, tmp_path / "in" / "**" / "*.jpg", "--out", tmp_path / "out")
    assert code == 0
    assert names(tmp_path / "out") == ["detections.jsonl", "x/a.jpg", "y/a.jpg", "y/z/a.jpg"]


@pytest.mark.parametrize("out", ["in", "link", "in/../in/x"])
def test_originals_are_never_overwritten(model, tmp_path, out):
    original = picture(tmp_path / "in" / "a.jpg")
    picture(tmp_path / "in" / "x" / "a.jpg")
    (tmp_path / "link").symlink_to("in")
    before = original.read_bytes()
    code, _, err = detect(model, tmp_path / "in" / "**" / "*.jpg", "--out", tmp_path / out)
    assert code == 1 and "choose another --out" in error_line(err)
    assert original.read_bytes() == before
    assert names(tmp_path / "in") == ["a.jpg", "x/a.jpg"]


def test_no_display_is_one_line_before_anything_is_loaded(tmp_path):
    code, _, err = detect("no-such-model.onnx", tmp_path / "nothing.jpg")
    line = error_line(err)
    assert code == 1 and "no display" in line and "--out DIR" in line and "libgl1" in line


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 displays")
def test_display_that_does_not_exist_is_one_line():
    code, _, err = detect("model.onnx", "x.jpg", DISPLAY=":987")
    assert code == 1 and "no window can be opened" in error_line(err)


def test_missing_system_library_names_the_packages(model, tmp_path):
    message = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({message!r})")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    code, _, err = detect(model, "x.jpg", "--out", tmp_path / "out", PYTHONPATH=path)
    line = error_line(err)
    assert code == 1 and "libGL.so.1" in line and "apt install libgl1 libglib2.0-0" in line


def test_import_problem_leaves_other_modules_alone():
    assert import_problem(ModuleNotFoundError("No module named 'x'", name="x")) is None
    missing = ModuleNotFoundError("No module named 'cv2'", name="cv2")
    assert "opencv-python" in import_problem(missing)


@pytest.mark.parametrize(
    "options", [["--score", "1.5"], ["--size", "320"], ["--fit", "zoom"], ["--threads", "0"]]
)
def test_bad_options_are_told(options):
    code, _, err = detect("m.onnx", "x.jpg", *options)
    assert code == 2 and options[0] in err and options[1] in err


def test_out_that_cannot_be_written(model, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = detect(model, picture(tmp_path / "a.jpg"), "--out", tmp_path / "file")
    assert code == 1 and str(tmp_path / "file") in error_line(err)
    code, _, err = detect("no.onnx", tmp_path / "a.jpg", "--out", tmp_path / "file" / "below")
    assert code == 1 and f"{tmp_path / 'file'} is a file" in error_line(err)


def test_uncertainty_is_drawn_and_written(model, tmp_path):
    """The model's edges are sure: no band, and a standard deviation of 0."""
    shot = picture(tmp_path / "a.png")
    code, _, err = detect(model, shot, "--out", tmp_path / "out", "--uncertainty")
    assert (code, err) == (0, "")
    (line,) = json_lines(tmp_path / "out")
    assert [one["edge_std"] for one in line["detections"]] == [[0.0] * 4]


def test_distributions_are_drawn_beside_each_image(model, tmp_path):
    pytest.importorskip("matplotlib")
    picture(tmp_path / "in" / "a.png")
    code, text, err = detect(model, tmp_path / "in", "--out", tmp_path / "out", "--distributions")
    assert (code, err) == (0, "") and "a.png: 1 lamp " in text
    assert names(tmp_path / "out") == ["a.png", "a.png-distributions.png", "detections.jsonl"]
    code, _, err = detect(model, tmp_path / "in", "--distributions")
    assert code == 1 and error_line(err).endswith("--distributions: needs --out DIR")
    picture(tmp_path / "in" / "a.png-distributions.png")
    code, _, err = detect(model, tmp_path / "in", "--out", tmp_path / "other", "--distributions")
    assert code == 1 and "would replace another image" in error_line(err)
    write_video(tmp_path / "v.avi", 3)
    code, _, err = detect(model, tmp_path / "v.avi", "--out", tmp_path / "other", "--distributions")
    assert code == 1 and "v.avi: --distributions is for images alone" in error_line(err)
    assert not (tmp_path / "other").exists()
