"""nanodet-detect on videos, streams and cameras keeps every frame and its time."""

import json
import re

import cv2
import pytest
from containers import cut_videos, misleading_videos
from cpp_detect import fails, run
from moving_pictures import frame_times, lasts, serving, write_uneven_video, write_video


def test_a_video(cpp_programs, small, tmp_path):
    video = write_video(tmp_path / "v.mp4", frames=12, fps=10)
    run(cpp_programs.detect, small, video, "--out", tmp_path / "out")
    lines = (tmp_path / "out" / "detections.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in lines]
    assert [line["frame"] for line in lines] == list(range(12))
    assert [line["time_s"] for line in lines] == pytest.approx(
        [i / 10 for i in range(12)], abs=0.02
    )
    capture = cv2.VideoCapture(str(tmp_path / "out" / "v.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 12
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)


def test_an_uneven_video_keeps_the_time_of_each_frame(cpp_programs, small, tmp_path):
    times = [0, 32, 74, 116, 150, 1185, 1218, 1251, 1285, 2318, 2350]
    (tmp_path / "12:30").mkdir()
    write_uneven_video(tmp_path / "12:30" / "a:b.mkv", times, 2390)
    # FFmpeg must not take what precedes the colon for a protocol
    run(cpp_programs.detect, small, "a:b.mkv", "--out", ".:out", cwd=tmp_path / "12:30")
    out = tmp_path / "12:30" / ".:out"
    lines = (out / "detections.jsonl").read_text().splitlines()
    expected = pytest.approx([t / 1000 for t in times], abs=2e-3)
    assert [json.loads(line)["time_s"] for line in lines] == expected
    assert [time_s for time_s, _ in frame_times(out / "a:b.mp4")] == expected
    assert lasts(out / "a:b.mp4") == pytest.approx(2.39, abs=0.02)


def test_a_video_on_a_server_loses_no_frame(cpp_programs, small, tmp_path):
    with serving(file=write_video(tmp_path / "v.avi", frames=40)) as address:
        run(cpp_programs.detect, small, f"{address}/video.avi", "--out", tmp_path / "out")
    assert len((tmp_path / "out" / "detections.jsonl").read_text().splitlines()) == 40
    assert (tmp_path / "out" / "video.mp4").is_file()


def test_a_live_stream_keeps_its_clock(cpp_programs, small, tmp_path):
    with serving(frames=60) as address:
        # it ends after 60 frames, which is told
        line = fails(cpp_programs.detect, small, f"{address}/stream", "--out", tmp_path / "out")
    assert "no more frames after" in line
    times = [
        json.loads(line)["time_s"]
        for line in (tmp_path / "out" / "detections.jsonl").read_text().splitlines()
    ]
    capture = cv2.VideoCapture(str(tmp_path / "out" / "stream.mp4"))
    lasts = capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS)
    assert lasts == pytest.approx(times[-1] - times[0], abs=0.1)


def test_devices_are_cameras(cpp_programs, small, tmp_path):
    line = fails(cpp_programs.detect, small, "/dev/null", "--out", tmp_path / "out")
    assert line == "/dev/null: there is no such camera, or it is in use"


def test_videos_are_judged_as_in_python(cpp_programs, small, tmp_path):
    """By what their containers say; tests/detect/test_containers.py has Python's verdicts."""
    lines = tmp_path / "out.jsonl"
    for name, frames in misleading_videos(tmp_path).items():
        run(cpp_programs.detect, small, tmp_path / name, "--jsonl", lines)
        assert len(lines.read_text().splitlines()) == frames, name
    for name, said in cut_videos(tmp_path).items():
        line = fails(cpp_programs.detect, small, tmp_path / name, "--jsonl", lines)
        assert re.fullmatch(re.escape(str(tmp_path / name)) + said, line), line
