"""Videos written frame by frame keep the time of each."""

import pytest
from detect_process import names
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_pictures import (
    frame_times,
    grey,
    read_video,
    write_video,
)

from nanodet.detect.mp4_times import set_frame_times
from nanodet.detect.video_writer import VideoWriter
from nanodet.errors import NanodetError


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
