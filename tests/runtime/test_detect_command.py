"""`nanodet detect` as a real process: what it writes, what it says, how it ends."""

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from box_model import BOX, write_box_model
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_pictures import (
    frame_times,
    grey,
    lasts,
    read_video,
    serving,
    truncate,
    write_uneven_video,
    write_video,
)

from nanodet.errors import NanodetError
from nanodet.runtime.mp4_times import set_frame_times
from nanodet.runtime.video_writer import VideoWriter
from nanodet.runtime.window import import_problem

NANODET = [sys.executable, "-c", "import sys; from nanodet.cli.main import main; sys.exit(main())"]


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return write_box_model(tmp_path_factory.mktemp("model") / "box.onnx")


def start(*arguments, cwd=None, **environment):
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.Popen(
        [*NANODET, "detect", *map(str, arguments)], env=env | environment, text=True, cwd=cwd,
        encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def detect(*arguments, **environment):
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, out, err


def json_lines(folder):
    return [json.loads(line) for line in (folder / "detections.jsonl").open(encoding="utf-8")]


def names(folder):
    return sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file())


def picture(path, level=150):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), grey(level))
    return path


def error_line(err):
    lines = err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("nanodet: error: "), err
    return lines[0]


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


def test_broken_pictures_are_left_out_and_counted(model, tmp_path):
    for n in range(3):
        picture(tmp_path / "in" / f"{n}.jpg")
    truncate(tmp_path / "in" / "1.jpg", 0.5)
    code, text, err = detect(model, tmp_path / "in", "--out", tmp_path / "out")
    assert code == 1 and "2.jpg: 1 lamp" in text
    warning, error = err.splitlines()
    assert warning.startswith("nanodet: warning: ") and "1.jpg" in warning
    assert error.endswith("1 of 3 pictures could not be read")
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


def test_video_is_never_overwritten(model, tmp_path):
    video = write_video(tmp_path / "v.mp4", 5, codec="mp4v")
    before = video.read_bytes()
    code, _, err = detect(model, video, "--out", tmp_path)
    assert code == 1 and "choose another --out" in error_line(err)
    assert video.read_bytes() == before


@pytest.mark.parametrize("size", [(128, 96), (129, 97)])
def test_video_keeps_its_frame_rate(model, tmp_path, size):
    video = write_video(tmp_path / "v.avi", 30, 30000 / 1001, size)
    out = tmp_path / "out"
    code, text, err = detect(model, video, "--out", out)
    assert (code, err) == (0, "")
    assert "30 frames, 30 boxes" in text
    assert names(out) == ["detections.jsonl", "v.mp4"]
    levels, fps = read_video(out / "v.mp4")
    assert len(levels) == 30 and fps == pytest.approx(30000 / 1001, abs=0.01)
    lines = json_lines(out)
    assert [line["frame"] for line in lines] == list(range(30))
    assert lines[15]["time_s"] == pytest.approx(15 * 1001 / 30000, abs=1e-3)
    confidences = [line["detections"][0]["confidence"] for line in lines]
    assert confidences == sorted(set(confidences))  # each line is of its own frame


def test_truncated_video_keeps_what_was_read(model, tmp_path):
    video = truncate(write_video(tmp_path / "v.avi", 60), 0.5)
    code, text, err = detect(model, video, "--out", tmp_path / "out")
    lines = json_lines(tmp_path / "out")
    assert code == 1 and f"stops at frame {len(lines)} of 60" in error_line(err)
    assert f"{len(lines)} frames" in text
    assert len(read_video(tmp_path / "out" / "v.mp4")[0]) == len(lines)


def wait_for_frames(process, out, pattern):
    """Wait until the process writes its video, and a little more."""
    end = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < end:
        if any(f.stat().st_size for f in out.glob(pattern)):
            time.sleep(0.4)
            return
        time.sleep(0.02)
    raise AssertionError(process.communicate())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 3])
def test_interrupted_video_is_complete(model, tmp_path, number, times):
    video = write_video(tmp_path / "long.avi", 20000, size=(64, 48))
    out = tmp_path / "out"
    process = start(model, video, "--out", out)
    wait_for_frames(process, out, ".long-*.mp4")
    assert not (out / "long.mp4").exists()
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.01)
    _, err = process.communicate(timeout=20)
    if times == 1:  # later ones may meet a Python that is already shutting down
        assert process.returncode == 130 and "Traceback" not in err
    assert names(out) == ["detections.jsonl", "long.mp4"]
    lines = json_lines(out)
    assert 0 < len(lines) < 20000
    assert len(read_video(out / "long.mp4")[0]) == len(lines)


def test_interrupted_stream_lasts_as_long_as_it_ran(model, tmp_path):
    out = tmp_path / "out"
    with serving() as url:
        process = start(model, url + "/stream", "--out", out)
        wait_for_frames(process, out, ".stream-*.mp4")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    lines = json_lines(out)
    levels, fps = read_video(out / "stream.mp4")
    lasted = lines[-1]["time_s"] - lines[0]["time_s"]
    assert lasted > 0.5 and len(levels) / fps == pytest.approx(lasted, abs=2.5 / fps)


def test_reconnecting_ends_by_ctrl_c(model, tmp_path):
    out = tmp_path / "out"
    with serving(frames=5) as url:
        process = start(model, url + "/stream", "--out", out, "--reconnect")
        wait_for_frames(process, out, ".stream-*.mp4")
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=5)
    assert process.returncode == 130
    first, *_, last = err.splitlines()
    assert first.startswith("nanodet: warning: ") and first.endswith(
        "/stream: no more frames after 5; reconnecting"
    )
    assert last == "nanodet: stopped"
    lines = json_lines(out)
    assert lines[-1]["frame"] >= 5 and lines[-1]["time_s"] > 1  # the gap is part of the time
    assert lasts(out / "stream.mp4") == pytest.approx(
        lines[-1]["time_s"] - lines[0]["time_s"], abs=0.1
    )


def test_reconnect_is_for_live_sources(model, tmp_path):
    code, _, err = detect(
        model, picture(tmp_path / "a.jpg"), "--out", tmp_path / "out", "--reconnect", "5"
    )
    assert code == 1 and "--reconnect is for cameras and streams" in error_line(err)
    code, _, err = detect(model, "0", "--reconnect", "soon")
    assert code == 2 and "is not a number of seconds above 0" in err


def test_names_with_a_colon(model, tmp_path):
    folder = tmp_path / "12:30"
    folder.mkdir()
    write_video(tmp_path / "v.mp4", 3, codec="mp4v").rename(folder / "a:b.mp4")
    process = start(model, "a:b.mp4", "--out", ".:out", cwd=folder)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert len(read_video(folder / ".:out" / "a:b.mp4")[0]) == 3


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


UNEVEN = {
    # milliseconds: fast, slow, fast; as phones record; a slide show; bursts of 240 a second
    "changing": [*range(0, 660, 33), *range(1000, 3000, 200), *range(3000, 3660, 33)],
    "phone": [0, 32, 74, 116, 150, 185, 218, 251, 285, 318, 350, 392, 425, 458, 500],
    "slides": [0, 40, 80, 2000, 2040, 5000],
    "bursts": [*range(0, 100, 4), *range(1000, 1300, 33), *range(2000, 2100, 4)],
}


@pytest.mark.parametrize("kind", UNEVEN)
def test_uneven_video_keeps_the_time_of_each_frame(model, tmp_path, kind):
    times = UNEVEN[kind]
    video = write_uneven_video(tmp_path / "v.mkv", times, times[-1] + 40)
    code, _, err = detect(model, video, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    lines = json_lines(tmp_path / "out")
    assert [line["time_s"] for line in lines] == pytest.approx([t / 1000 for t in times], abs=2e-3)
    copied = frame_times(tmp_path / "out" / "v.mp4")
    assert [t for t, _ in copied] == pytest.approx([t / 1000 for t in times], abs=2e-3)
    levels = [level for _, level in copied]
    assert levels[-1] > levels[0] and levels == sorted(levels)
    assert lasts(tmp_path / "out" / "v.mp4") == pytest.approx(times[-1] / 1000 + 0.04, abs=0.04)
    # and what was written is read with the same times again
    code, _, err = detect(model, tmp_path / "out" / "v.mp4", "--out", tmp_path / "again")
    assert (code, err) == (0, "")
    again = [line["time_s"] for line in json_lines(tmp_path / "again")]
    assert again == pytest.approx([t / 1000 for t in times], abs=3e-3)


def test_truncated_uneven_video_says_where_it_stops(model, tmp_path):
    times = [*range(0, 1000, 40), *range(1000, 9000, 200)]
    video = truncate(write_uneven_video(tmp_path / "v.mkv", times, 9000), 0.6)
    code, _, err = detect(model, video, "--out", tmp_path / "out")
    assert code == 1 and "the video stops at frame" in error_line(err)


def test_writer_keeps_times_and_steady_rates(tmp_path):
    for name, times in (
        ("steady", [5 + n / 10 for n in range(8)]),
        ("live", [5.0, 5.5, 5.51, 5.6]),
    ):
        writer = VideoWriter(tmp_path / f"{name}.mp4", fps=10)
        for n, time_s in enumerate(times):
            writer.write(grey(50 + 20 * n), time_s)
        writer.close()
        found = frame_times(tmp_path / f"{name}.mp4")
        assert [t for t, _ in found] == pytest.approx([t - 5 for t in times], abs=1e-3)
        assert [round(level / 10) for _, level in found] == [5 + 2 * n for n in range(len(times))]
    assert read_video(tmp_path / "steady.mp4")[1] == 10


@settings(max_examples=25)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=12), st.sampled_from([5, 29.97, 240]))
def test_any_times_come_back(tmp_path_factory, steps, fps):
    path = tmp_path_factory.mktemp("video") / "v.mp4"
    times = [0.0]
    for step in steps:
        times.append(times[-1] + step / 1000)
    writer = VideoWriter(path, fps)
    for time_s in times:
        writer.write(grey(100, (32, 32)), time_s)
    writer.close()
    found = [time_s for time_s, _ in frame_times(path)]
    assert found == pytest.approx(times, abs=max(0.1 / fps, 2e-3) + 1e-3)


def test_videos_of_another_kind_are_left_alone(tmp_path):
    other = write_video(tmp_path / "v.avi", 3)
    before = other.read_bytes()
    with pytest.raises(ValueError, match="does not end in its index"):
        set_frame_times(other, [0, 1, 2, 3])
    video = write_video(tmp_path / "v.mp4", 3, codec="mp4v")
    with pytest.raises(ValueError, match="3 frames in this video, not 2"):
        set_frame_times(video, [0, 1, 2])
    assert other.read_bytes() == before and len(read_video(video)[0]) == 3


def test_writer_resizes_to_its_first_frame(tmp_path):
    writer = VideoWriter(tmp_path / "v.mp4", fps=10)
    for size in ((64, 48), (128, 96)):
        writer.write(grey(100, size))
    writer.close()
    assert len(read_video(tmp_path / "v.mp4")[0]) == 2


def test_writer_that_cannot_write_leaves_nothing(tmp_path):
    writer = VideoWriter(tmp_path / "v.mp4", fps=10)
    with pytest.raises(NanodetError, match=r"v.mp4"):
        writer.write(grey(0, (20000, 1)))
        writer.close()
    assert names(tmp_path) == []
