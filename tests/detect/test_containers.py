"""How far a video goes: what its container says, not what is estimated from its length."""

import re

import pytest
from containers import (
    CODECS,
    FRAMES,
    INDEX_BEHIND,
    cut_videos,
    misleading_videos,
    put_index_in_front,
    write_container,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moving_pictures import serving, truncate

from nanodet.detect.containers import Extent, extent_of
from nanodet.detect.sources import open_source
from nanodet.errors import NanodetError


def told_of(path):
    """Return the number of frames of a video, and what is said of its end."""
    try:
        source = open_source(path)
        frames = sum(1 for _ in source)
    except NanodetError as error:
        return 0, str(error)
    source.close()
    return frames, source.problem


@pytest.fixture(scope="module", params=CODECS)
def video(request, tmp_path_factory):
    return write_container(tmp_path_factory.mktemp("videos") / f"v.{request.param}")


def test_whole_videos_are_whole(video):
    assert told_of(video) == (FRAMES, None)
    counted = video.suffix[1:] in (*INDEX_BEHIND, "avi")
    assert extent_of(video).frames == (FRAMES if counted else None)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_videos_are_told(video, share, tmp_path):
    # an odd size, because a packet that is whole does not tell that others are missing
    size = int(video.stat().st_size * share) | 1
    cut = tmp_path / video.name
    cut.write_bytes(video.read_bytes()[:size])
    frames, line = told_of(cut)
    if video.suffix[1:] in INDEX_BEHIND:
        assert line == f"{cut}: neither an image nor a video that can be read (its end is missing)"
    else:
        assert f"the video stops at frame {frames} " in line


def test_what_is_lost_behind_the_frames_is_no_loss(tmp_path):
    """An index at the end that is cut off, of a file that can be read without it."""
    path = write_container(tmp_path / "v.avi")
    at = path.read_bytes().index(b"idx1")
    truncate(path, (at + 50) / path.stat().st_size)
    assert told_of(path) == (FRAMES, None)


def test_estimates_do_not_count(tmp_path):
    for name, frames in misleading_videos(tmp_path).items():
        assert told_of(tmp_path / name) == (frames, None), name


def test_cut_videos_of_all_kinds(tmp_path):
    for name, line in cut_videos(tmp_path).items():
        assert re.fullmatch(re.escape(str(tmp_path / name)) + line, told_of(tmp_path / name)[1])


def test_frames_that_are_zeros_are_told(tmp_path):
    """A file that was given its full size, and whose download ended early."""
    path = put_index_in_front(write_container(tmp_path / "v.mp4", frames=100))
    data = bytearray(path.read_bytes())
    data[len(data) // 3 :] = bytes(len(data) - len(data) // 3)
    path.write_bytes(data)
    frames, line = told_of(path)
    assert frames < 60 and f"the video stops at frame {frames} of 100 " in line


def test_a_server_that_breaks_off_is_told(tmp_path):
    """Of a file on a server only the estimate is known: a warning, and no verdict."""
    lines = []
    path = truncate(write_container(tmp_path / "v.mkv", frames=100), 0.5)
    with serving(file=path) as url:
        source = open_source(url + "/video.mkv", lines.append)
        frames = sum(1 for _ in source)
        source.close()
    assert source.total is None and source.problem is None
    assert len(lines) == 1 and f"no more frames after {frames} (" in lines[0]
    assert lines[0].endswith("though it says that it lasts 4.0 s")


@settings(
    deadline=2000, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0), st.integers(0, 2), st.binary(max_size=9), st.integers(0), st.floats(0, 1),
)  # fmt: skip
def test_damaged_videos_end_nothing(video, tmp_path, place, kept, noise, other, share):
    data = bytearray(video.read_bytes())
    for at in (place % len(data), other % 300):
        data[at : at + kept] = noise
    path = tmp_path / video.name
    path.write_bytes(data[: int(len(data) * share)])
    assert isinstance(extent_of(path), Extent)


def test_a_comment_of_very_many_parts_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr("nanodet.detect.containers.PARTS", 1000)
    path = tmp_path / "a.gif"
    for parts, expected in ((900, Extent(cut_off=True)), (1100, Extent())):
        path.write_bytes(b"GIF89a" + bytes(7) + b"!\xfe" + b"\x01 " * parts)
        assert extent_of(path) == expected
