"""`nanodet detect` on videos and streams keeps every frame and its time, however it ends."""

import fcntl
import os
import signal
import subprocess
import termios
import time

import pytest
from detect_process import NANODET, detect, error_line, json_lines, names, picture, start
from moving_pictures import (
    frame_times,
    lasts,
    read_video,
    serving,
    truncate,
    write_uneven_video,
    write_video,
)


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


def test_names_with_a_colon(model, tmp_path):
    folder = tmp_path / "12:30"
    folder.mkdir()
    write_video(tmp_path / "v.mp4", 3, codec="mp4v").rename(folder / "a:b.mp4")
    process = start(model, "a:b.mp4", "--out", ".:out", cwd=folder)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert len(read_video(folder / ".:out" / "a:b.mp4")[0]) == 3


def wait_for_frames(process, out, pattern):
    """Wait until the process writes its video, and a little more."""
    end = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < end:
        if any(f.stat().st_size for f in out.glob(pattern)):
            time.sleep(0.4)
            return
        time.sleep(0.02)
    raise AssertionError(process.communicate())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_interrupted_video_is_complete(model, tmp_path, number, times):
    video = write_video(tmp_path / "long.avi", 20000, size=(64, 48))
    out = tmp_path / "out"
    process = start(model, video, "--out", out)
    wait_for_frames(process, out, ".nanodet-*.mp4")
    assert not (out / "long.mp4").exists()
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.01)
    _, err = process.communicate(timeout=20)
    if times == 1:  # later ones may meet a Python that is already shutting down
        assert process.returncode == 128 + number and "Traceback" not in err
    assert names(out) == ["detections.jsonl", "long.mp4"]
    lines = json_lines(out)
    assert 0 < len(lines) < 20000
    assert len(read_video(out / "long.mp4")[0]) == len(lines)


def test_a_recording_whose_terminal_is_closed_is_complete(model, tmp_path):
    video, out = write_video(tmp_path / "long.avi", 20000, size=(64, 48)), tmp_path / "out"
    screen, terminal = os.openpty()
    process = subprocess.Popen(
        [*NANODET, "detect", str(model), str(video), "--out", str(out)],
        stdout=terminal, stderr=terminal, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(terminal)
    wait_for_frames(process, out, ".nanodet-*.mp4")
    os.close(screen)  # the kernel sends SIGHUP
    assert process.wait(timeout=20) == 128 + signal.SIGHUP
    assert names(out) == ["detections.jsonl", "long.mp4"]
    assert 0 < len(read_video(out / "long.mp4")[0]) == len(json_lines(out)) < 20000


def test_interrupted_stream_lasts_as_long_as_it_ran(model, tmp_path):
    out = tmp_path / "out"
    with serving() as url:
        process = start(model, url + "/stream", "--out", out)
        wait_for_frames(process, out, ".nanodet-*.mp4")
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
        wait_for_frames(process, out, ".nanodet-*.mp4")
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
