"""Temporary files of the C++ programs: their names cannot be foreseen, and those of killed ones go."""

import os
import signal
import subprocess
import time

import cv2
import pytest
from cpp_detect import fails, run
from moving_pictures import grey, write_video

from nanodet.files.temporary import remove_abandoned

# as a stranger would who knows how an earlier version called them: exec keeps the process's number
PLANTED = """
for name in .v.$$.part.mp4 .detections.$$.part.jsonl .lines.$$.part.jsonl; do
  ln -s "$VICTIM" "$name"
done
exec "$@"
"""


def test_a_planted_link_is_not_followed(cpp_programs, small, tmp_path):
    video, out, victim = write_video(tmp_path / "v.avi", 5), tmp_path / "out", tmp_path / "victim"
    out.mkdir()
    victim.write_text("mine")
    words = [cpp_programs.detect, small, video, "--out", ".", "--jsonl", "lines.jsonl"]
    subprocess.run(["sh", "-c", PLANTED, "sh", *map(str, words)], cwd=out, check=True,
                   env=os.environ | {"VICTIM": str(victim)}, stdout=subprocess.DEVNULL)  # fmt: skip
    assert victim.read_text() == "mine"
    assert not any((out / name).is_symlink() for name in ("v.mp4", "detections.jsonl"))


def killed(program, *words, out):
    process = subprocess.Popen([program, *map(str, words)], stdout=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while not list(out.glob(".nanodet-tmp-*.mp4")) and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return sorted(os.listdir(out))


def test_the_next_run_clears_what_a_killed_one_left(cpp_programs, small, tmp_path):
    video, out = write_video(tmp_path / "long.avi", 5000, size=(64, 48)), tmp_path / "out"
    other = write_video(tmp_path / "other.avi", 3, size=(64, 48))
    out.mkdir()
    left = killed(cpp_programs.detect, small, video, "--out", out, out=out)
    assert left and all(name.startswith(".nanodet-tmp-") for name in left)
    remove_abandoned(out)  # as any of Python's commands does
    assert os.listdir(out) == []
    again = killed(cpp_programs.detect, small, video, "--out", out, out=out)
    assert not set(left) & set(again)
    (out / ".nanodet-tmp-mine.mp4").touch()
    run(cpp_programs.detect, small, other, "--out", out)
    assert sorted(os.listdir(out)) == [".nanodet-tmp-mine.mp4", "detections.jsonl", "other.mp4"]


def test_a_living_ones_files_stay(cpp_programs, small, tmp_path):
    video, out = write_video(tmp_path / "long.avi", 20000, size=(64, 48)), tmp_path / "out"
    out.mkdir()
    process = subprocess.Popen([cpp_programs.detect, small, video, "--out", out])
    while not list(out.glob(".nanodet-tmp-*.mp4")) and process.poll() is None:
        time.sleep(0.01)
    remove_abandoned(out)
    other = write_video(tmp_path / "other.avi", 3, size=(64, 48))
    run(cpp_programs.detect, small, other, "--out", out)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert sorted(os.listdir(out)) == ["detections.jsonl", "long.mp4", "other.mp4"]


@pytest.mark.parametrize("kind", ["picture", "folder"])
def test_what_fails_leaves_nothing(cpp_programs, small, tmp_path, kind):
    out = tmp_path / "out"
    (out / "v.mp4").mkdir(parents=True)
    source = write_video(tmp_path / "v.avi", 3)
    if kind == "picture":
        source = tmp_path / "v.mp4.png"
        cv2.imwrite(str(source), grey(150))
        (out / "v.mp4.png").mkdir()
    fails(cpp_programs.detect, small, source, "--out", out)
    assert not [name for name in os.listdir(out) if name.startswith(".")]
