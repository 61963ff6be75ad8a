"""Every kind of source, from real files and a real server."""

import itertools
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moving_pictures import grey, serving, truncate, write_uneven_video, write_video

from nanodet import Detector
from nanodet.detect import live_source, sources
from nanodet.detect.detect import Show
from nanodet.detect.sources import open_source, without_password
from nanodet.errors import NanodetError


def write(path, level=120, size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), grey(level, size))
    return path


def test_folder_is_sorted_and_goes_on_past_broken_pictures(tmp_path):
    for name in ("b.png", "a b ü.jpg", "日本.PNG"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty.jpg").touch()
    truncate(write(tmp_path / "cut.jpg", size=(400, 300)), 0.5)
    (tmp_path / "folder.jpg").mkdir()
    write(tmp_path / "sub" / "deep.jpg")
    warnings = []
    source = open_source(tmp_path, warnings.append)
    assert (source.kind, source.total, source.fps) == ("pictures", 5, None)
    frames = list(source)
    assert [f.name for f in frames] == [
        str(tmp_path / name) for name in ("a b ü.jpg", "b.png", "日本.PNG")
    ]
    assert [f.index for f in frames] == [0, 1, 4]
    assert frames[0].picture.shape == (30, 40, 3) and frames[0].time_s is None
    assert [w.count(n) for w, n in zip(warnings, ("/**", "cut.jpg", "empty.jpg"), strict=True)] == [
        1,
        1,
        1,
    ]
    assert source.problem == f"{tmp_path}: 2 of 5 images could not be read"


def test_pattern_goes_into_sub_folders(tmp_path):
    for name in ("x/a.jpg", "x/y/a.jpg", "z.jpg"):
        write(tmp_path / "shots" / name)
    source = open_source(tmp_path / "shots" / "**" / "a.*")
    assert [f.relative_to(tmp_path / "shots").as_posix() for f in source.files] == [
        "x/a.jpg", "x/y/a.jpg",
    ]  # fmt: skip
    assert source.folder == tmp_path / "shots"
    assert len(list(source)) == 2 and source.problem is None


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    source = open_source(write(tmp_path / "shot[1].jpg"))
    assert source.kind == "picture" and len(list(source)) == 1


@pytest.mark.parametrize(("name", "codec"), [("v.avi", "MJPG"), ("v v é.mp4", "mp4v")])
def test_video_gives_every_frame_with_its_time(tmp_path, name, codec):
    source = open_source(write_video(tmp_path / name, 20, 12.5, codec=codec))
    assert (source.kind, source.total, source.fps, source.live) == ("video", 20, 12.5, False)
    frames = list(source)
    assert [f.index for f in frames] == list(range(20))
    assert [f.time_s for f in frames] == pytest.approx([n / 12.5 for n in range(20)], abs=1e-3)
    levels = [f.picture.mean() for f in frames]
    assert levels == pytest.approx([100 + 5 * n for n in range(20)], abs=5)  # codecs shift a bit
    assert levels == sorted(set(levels))
    assert source.problem is None
    source.close()


def test_truncated_video_says_where_it_stops(tmp_path, capfd):
    path = truncate(write_video(tmp_path / "v.avi", 60), 0.5)
    source = open_source(path)
    frames = list(source)
    assert 20 < len(frames) < 40
    assert f"stops at frame {len(frames)} of 60" in source.problem
    assert capfd.readouterr().err == ""


def test_content_counts_where_the_suffix_is_wrong(tmp_path):
    picture = write(tmp_path / "p.jpg").rename(tmp_path / "p.mp4")
    assert open_source(picture).kind == "picture"
    video = write_video(tmp_path / "v.avi").rename(tmp_path / "v.jpg")
    assert open_source(video).kind == "video"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.jpg", None, "no such file"),
        ("missing*.jpg", None, "no images match"),
        ("empty.mp4", b"", "empty"),
        ("text.mp4", b"words " * 100, "neither an image nor a video"),
        ("98", None, "no such camera"),
        ("folder", "folder", "no images in this folder"),
        ("junk.jpg", b"\xff\xd8" + b"junk" * 50, "image"),
        ("empty.png", b"", "empty"),
    ],
)
def test_one_line_for_what_cannot_be_opened(tmp_path, capfd, name, content, message):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(NanodetError, match=message) as caught:
        list(open_source(name if name.isdigit() else path))
    assert name in str(caught.value)
    assert capfd.readouterr().err == ""  # nothing of OpenCV's or FFmpeg's own


def test_pictures_in_folders_inside_a_folder_are_told(tmp_path):
    outer, lines = tmp_path / "o [1]", []
    (outer / "in").mkdir(parents=True)
    write(outer / "in" / "p.jpg")
    with pytest.raises(NanodetError, match=r"no images in this folder.*o \[\[\]1\]/\*\*' takes"):
        open_source(outer)
    write(outer / "q.jpg")
    assert open_source(outer, lines.append).total == 1
    assert len(lines) == 1 and "folders inside it are left out" in lines[0]
    assert open_source(lines[0].split("'")[1]).total == 2
    (outer / "in" / "p.jpg").unlink()
    assert open_source(outer, lines.append).total == 1 and len(lines) == 1


def test_mp4_without_its_index_cannot_be_opened(tmp_path, capfd):
    path = truncate(write_video(tmp_path / "v.mp4", codec="mp4v"), 0.6)
    with pytest.raises(NanodetError, match="neither an image nor a video"):
        open_source(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("live", [False, True])
def test_stop_ends_the_iteration(tmp_path, live):
    with serving() as url:
        source = open_source(url + "/stream" if live else write_video(tmp_path / "v.avi"))
        seen = 0
        for _ in source:
            seen += 1
            source.stop()
        assert seen == 1 and source.problem is None
        source.close()


def test_slow_reader_of_a_stream_gets_the_newest_frame():
    with serving(frames=100, interval_s=0.01) as url:
        source = open_source(url + "/stream")
        assert (source.kind, source.total, source.live) == ("stream", None, True)
        indices, times = [], []
        for frame in source:
            indices.append(frame.index)
            times.append(frame.time_s)
            time.sleep(0.1)
        source.close()
    assert indices == sorted(set(indices)) and len(indices) < 50
    assert times == sorted(times)
    assert "no more frames after" in source.problem


def test_video_file_on_a_server_loses_no_frame(tmp_path):
    path = write_video(tmp_path / "video.avi", 25)
    with serving(file=path) as url:
        source = open_source(url + "/video.avi")
        assert source.kind == "video" and len(list(source)) == 25
        assert source.problem is None
        source.close()


def test_silent_stream_times_out(monkeypatch):
    monkeypatch.setattr(sources, "TIMEOUT_S", 1)
    with serving() as url:
        start = time.monotonic()
        with pytest.raises(NanodetError, match="does not open"):
            open_source(url + "/silent")
        assert time.monotonic() - start < 5


def test_nobody_answers_and_the_password_stays_secret(capfd):
    with pytest.raises(NanodetError, match=r"rtsp://127.0.0.1:9/live") as caught:
        open_source("rtsp://me:secret@127.0.0.1:9/live")
    assert "secret" not in str(caught.value) + capfd.readouterr().err


@given(st.from_regex(r"[^/@\s]{0,9}", fullmatch=True), st.sampled_from(["", "/", "/a@b/c?d=@"]))
def test_without_password_keeps_the_rest(user, path):
    assert without_password(f"rtsp://{user}@host:554{path}") == f"rtsp://host:554{path}"
    assert without_password(f"http://host{path}") == f"http://host{path}"


@pytest.mark.parametrize("name", ["a:b.mp4", "clip 12:30.avi", "rtsp:x.avi", "file:v.avi"])
def test_names_with_a_colon_are_files(tmp_path, monkeypatch, name):
    codec = "mp4v" if name.endswith("mp4") else "MJPG"
    write_video(tmp_path / f"v{name[-4:]}", 5, codec=codec).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for text in (name, f"./{name}", str(tmp_path / name)):
        source = open_source(text)
        assert (source.kind, source.name, len(list(source))) == (
            "video",
            text.removeprefix("./"),
            5,
        )
        source.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="devices of Linux")
def test_devices_are_cameras(tmp_path, capfd):
    (tmp_path / "by-id").symlink_to("/dev/null")
    for text in ("/dev/null", str(tmp_path / "by-id")):
        with pytest.raises(NanodetError, match=f"{text}: there is no such camera"):
            open_source(text)
    with pytest.raises(NanodetError, match="there is no such file, folder, camera"):
        open_source("/dev/video987")
    assert capfd.readouterr().err == ""


def test_a_name_that_is_too_long_is_one_line():
    with pytest.raises(NanodetError, match="there is no such file"):
        open_source("x" * 5000)


def test_a_stream_that_drops_is_opened_again(monkeypatch):
    monkeypatch.setattr(live_source, "FIRST_WAIT_S", 0.05)
    told = []
    with serving(frames=10, interval_s=0.01) as url:
        source = open_source(url + "/stream", told.append, reconnect_s=10)
        indices, times = [], []
        for frame in source:
            indices.append(frame.index)
            times.append(frame.time_s)
            if frame.index >= 25:
                source.stop()
        source.close()
    assert indices == sorted(set(indices)) and times == sorted(times)
    assert source.problem is None
    assert len(told) == 2  # a line each time
    assert all(line.endswith(f"/stream: no more frames after {n}; reconnecting")
               for line, n in zip(told, (10, 20), strict=True))  # fmt: skip


def test_a_stream_that_does_not_come_back_is_given_up(monkeypatch):
    monkeypatch.setattr(live_source, "FIRST_WAIT_S", 0.05)
    told = []
    with serving(frames=5, interval_s=0.01) as url:
        source = open_source(url + "/stream", told.append, reconnect_s=0.7)
        frames = iter(source)
        next(frames)
    gone = time.monotonic()
    list(frames)
    assert 0.3 < time.monotonic() - gone < 5
    source.close()
    assert len(told) == 1
    assert source.problem.endswith(", and no connection for 0.7 s")


def test_a_window_shows_frames_of_a_video_at_their_times(tmp_path):
    """The window itself needs a display; what it is told does not."""
    shown = []

    class Screen:
        def show(self, picture, wait_s, stopped):
            shown.append(time.monotonic())
            return len(shown) < 4  # the user closes it

        def wait(self, wait_s, stopped):
            time.sleep(wait_s)
            return True

    times = [0, 40, 400, 440, 480, 520]
    source = open_source(write_uneven_video(tmp_path / "v.mkv", times, 560))
    show = Show(Screen(), source)
    for frame in source:
        show.write(frame, None, frame.picture)
    gaps = [after - before for before, after in itertools.pairwise(shown)]
    wanted = [0.04, 0.36, 0.04]
    assert all(gap > least - 0.005 for gap, least in zip(gaps, wanted, strict=True))
    assert sum(gaps) < 2  # seconds; a busy machine adds some
    assert source.stopped and len(shown) == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="special files of Unix")
@pytest.mark.parametrize("suffix", [".mp4", ".jpg", ".gif", ""])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_pipe_is_no_source(tmp_path, kind, suffix):
    path = tmp_path / f"x{suffix}"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    with pytest.raises(NanodetError, match=": is a device or a pipe, not an image or a video"):
        open_source(path)
    with pytest.raises(NanodetError, match="no images in this folder"):
        open_source(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="becomes another user")
def test_what_this_user_may_not_read_is_not_called_absent():
    with tempfile.TemporaryDirectory(dir="/tmp") as base:  # others may enter it
        base = Path(base)
        base.chmod(0o755)
        for name in ("tree/a", "tree/b", "closed"):
            (base / name).mkdir(parents=True)
            write(base / name / "x.png")
        (base / "tree" / "b").chmod(0)
        (base / "closed").chmod(0)
        refused = {
            "tree/**": "tree/b: cannot read this folder (Permission denied)",
            "closed/*.png": "closed: cannot read this folder (Permission denied)",
            "closed/x.png": "closed/x.png: cannot be read (Permission denied)",
        }
        with pytest.raises(NanodetError, match="there is no such model file"):
            Detector(base / "m.param")  # imports what the other user may not read
        os.seteuid(65534)
        try:
            assert len(open_source(str(base / "tree/a/*.png")).files) == 1
            for source, line in refused.items():
                with pytest.raises(NanodetError) as caught:
                    open_source(str(base / source))
                assert str(caught.value) == f"{base}/{line}"
            with pytest.raises(
                NanodetError, match=r"m\.param: cannot be read \(Permission denied\)"
            ):
                Detector(base / "closed" / "m.param")
        finally:
            os.seteuid(0)
