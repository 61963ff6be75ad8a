"""What killed processes leave behind is removed by the next; nothing else is."""

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from detect_process import detect, names, start
from hypothesis import given
from hypothesis import strategies as st
from moving_pictures import write_video

from nanodet.files import temporary
from nanodet.files.files import replacing, write_text
from nanodet.files.temporary import remove_abandoned, temporary_file, temporary_folder

HOLD = """
import os, sys, tempfile
from nanodet.files.files import replacing
from nanodet.files.temporary import temporary_folder
with replacing(sys.argv[1] + "/kept.txt") as file, temporary_folder(sys.argv[1]) as folder, \\
     temporary_folder() as scratch:
    for path in (file, folder / "inner", scratch / "inner"):
        path.write_text("half")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(root, tmp_path):
    """Start a process that has temporary files in the folder ``out`` and in ``scratch``."""
    (tmp_path / "out").mkdir()
    (tmp_path / "scratch").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out")], text=True,
        env=os.environ | {"PYTHONPATH": str(root), "TMPDIR": str(tmp_path / "scratch")},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def test_of_the_killed_and_not_of_the_living(holder, tmp_path):
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    before = sorted(os.listdir(out)), os.listdir(scratch)
    assert len(before[0]) == 2 and len(before[1]) == 1
    for folder in (out, scratch):
        remove_abandoned(folder)
    assert (sorted(os.listdir(out)), os.listdir(scratch)) == before
    holder.kill()
    holder.wait()
    temporary._cleared.clear()  # another process starts so
    write_text(out / "other.txt", "new")  # as any command does that writes there
    assert os.listdir(out) == ["other.txt"]
    remove_abandoned(scratch)
    assert os.listdir(scratch) == []


# what a user may have called a file or folder; a temporary name of ours needs all its parts
USERS = (
    "a.txt", ".hidden", ".nanodet", ".nanodet-settings", ".nanodet-settings.json", ".export-archived",
    ".nanodet-tmp-short", ".nanodet-tmp-longer_ones", "nanodet-tmp-abcd1234", "a.nanodet-tmp-abcd1234",
    ".nanodet-tmp-abcd-234", ".nanodet-tmp-äbcd1234",
)  # fmt: skip


def test_what_is_a_users_stays(tmp_path):
    for name in USERS:
        (tmp_path / f"{name}.d").mkdir()
        (tmp_path / name).write_text("mine")
    (tmp_path / "target").mkdir()
    (tmp_path / ".nanodet-tmp-link1234").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / ".nanodet-tmp-fifo1234")
    before = sorted(os.listdir(tmp_path))
    remove_abandoned(tmp_path)
    assert sorted(os.listdir(tmp_path)) == before


def test_what_another_users_process_left_stays(tmp_path, monkeypatch):
    (tmp_path / ".nanodet-tmp-abcd1234").touch()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    remove_abandoned(tmp_path)
    assert os.listdir(tmp_path) == [".nanodet-tmp-abcd1234"]


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=50))
def test_every_name_that_we_give_is_known_again(tmp_path_factory, ending):
    folder = tmp_path_factory.mktemp("names")
    with temporary_file(folder, f".{ending}") as file, temporary_folder(folder) as other:
        assert temporary._TEMPORARY.fullmatch(file.name) and temporary._TEMPORARY.fullmatch(
            other.name
        )
    assert os.listdir(folder) == []


def test_many_at_once_lose_nothing(tmp_path):
    """Whoever clears meets files that are just being made."""
    children = []
    for number in range(8):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for turn in range(60):
                    temporary._cleared.clear()
                    with replacing(tmp_path / f"{number}-{turn}.txt") as path:
                        path.write_text("whole")
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    assert len(os.listdir(tmp_path)) == 480
    assert {path.read_text() for path in tmp_path.iterdir()} == {"whole"}


def test_a_killed_recording_is_cleared_by_the_next(model, tmp_path):
    video, out = write_video(tmp_path / "long.avi", 20000, size=(64, 48)), tmp_path / "out"
    process = start(model, video, "--out", out)
    end = time.monotonic() + 30
    while not list(out.glob(".nanodet-tmp-*.mp4")) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(names(out)) >= 1
    other = write_video(tmp_path / "other.avi", 3, size=(64, 48))
    code, _, err = detect(model, other, "--out", out)
    assert (code, err) == (0, "")
    assert names(out) == ["detections.jsonl", "other.mp4"]


@pytest.mark.parametrize(
    ("end", "left"), [("pass", 0), ("raise SystemExit(1)", 0), ("os.kill(os.getpid(), 9)", 1)]
)
def test_pythons_own_files_go_with_a_training(root, end, left):
    """multiprocessing's folders of sockets, which it leaves when all processes are killed at once."""
    code = (
        "import os; from multiprocessing import util; "
        "from nanodet.files.temporary import own_scratch; "
        f"own_scratch(); own_scratch(); util.get_temp_dir(); {end}"
    )
    with tempfile.TemporaryDirectory() as scratch:  # sockets need short paths
        environment = os.environ | {"PYTHONPATH": str(root), "TMPDIR": scratch}
        subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, timeout=60
        )
        found = os.listdir(scratch)
        assert len(found) == left and all(name.startswith(".nanodet-tmp-") for name in found)
        inside = [name for one in found for name in os.listdir(os.path.join(scratch, one))]
        assert len(inside) == left and all(name.startswith("pymp-") for name in inside)
        remove_abandoned(scratch)
        assert os.listdir(scratch) == []


def test_files_that_others_make_meanwhile_get_the_permissions_of_any(tmp_path):
    """What new files may be is not found out by changing it for the whole process."""
    numbers = itertools.count()

    def made():
        path = tmp_path / f"other{next(numbers)}"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666))
        return path.stat().st_mode & 0o777

    wanted, modes = made(), set()
    # as another thread may, between any two calls
    sys.setprofile(lambda frame, event, _: modes.add(made()) if event == "c_return" else None)
    try:
        with replacing(tmp_path / "own"):
            pass
    finally:
        sys.setprofile(None)
    assert modes == {wanted} and (tmp_path / "own").stat().st_mode & 0o777 == wanted
