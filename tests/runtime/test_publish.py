"""New files replace earlier ones all at once, wherever the process is killed."""

import itertools
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from kill_points import killed_at
from small_disk import as_root, mounted

from nanodet import Detector, NanodetError
from nanodet.export.stages import FP32
from nanodet.runtime.backends.ncnn import check_files
from nanodet.runtime.detector import find_model
from nanodet.runtime.files import sha256
from nanodet.runtime.locks import locked
from nanodet.runtime.publish import INCOMING, publish, publishing, working_folder
from nanodet.runtime.spec import Spec

FILES = ("small.param", "small.bin", "small.json", "small.onnx", "intermediate/small-raw.onnx")


@pytest.fixture(scope="module")
def versions(exported_small, tmp_path_factory):
    """Folders of the small model and of one with other weights, and the hashes of both."""
    folders = [tmp_path_factory.mktemp("old"), tmp_path_factory.mktemp("new")]
    source = exported_small.files[FP32].parent
    for folder in folders:
        (folder / "intermediate").mkdir()
        for name in FILES:
            shutil.copy(source / name, folder / name)
    weights = folders[1] / "small.bin"
    (np.fromfile(weights, np.float32) * np.float32(0.97)).tofile(weights)
    spec = json.loads((folders[1] / "small.json").read_text())
    spec["files"]["small.bin"] = sha256(weights)
    (folders[1] / "small.json").write_text(json.dumps(spec))
    assert all(len(Detector(folder / "small.param").class_names) == 3 for folder in folders)
    return folders, [hashes(folder) for folder in folders]


def hashes(folder):
    """Return those of the model in ``folder`` as it is opened, which must be those of its spec."""
    param = Path(find_model(folder / "small.param"))
    spec = Spec.load(param.with_suffix(".json"))
    check_files(param, param.with_suffix(".bin"), spec, "small.json")
    return spec.files


@as_root
def test_a_disk_that_cannot_be_written_is_read_where_the_files_lie(versions, tmp_path):
    (old, new), (_, wanted) = versions
    with mounted(tmp_path / "disk") as disk:
        shutil.copytree(old, disk, dirs_exist_ok=True)
        shutil.copytree(new, disk / INCOMING)
        (disk / "small.onnx").write_bytes(b"an earlier model's")
        (disk / INCOMING / "small.param").replace(disk / "small.param")  # moved before the kill
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert Detector(disk / "small.param").spec.files == wanted
        for engine in ("onnxruntime", "openvino"):
            assert len(Detector(disk / "small.onnx", engine=engine).class_names) == 3


def publish_from(source, out):
    with working_folder(out) as work:
        shutil.copytree(source, work, dirs_exist_ok=True)
        with publishing(out):
            publish(work, out)


def listing(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_killed_anywhere_the_old_or_the_new_set_is_whole(versions, tmp_path):
    (old, new), known = versions
    found = []
    for number in itertools.count(1):
        out = tmp_path / str(number)
        shutil.copytree(old, out)
        killed = killed_at(number, lambda out=out: publish_from(new, out))
        left = {path.name for path in out.iterdir()}
        found.append(known.index(hashes(out)))
        # looking at a model has finished what was begun, or left alone what was not
        assert INCOMING not in listing(out)
        publish_from(new, out)
        assert listing(out) == listing(new), left
        assert hashes(out) == known[1]
        if not killed:
            break
    assert found == sorted(found) and len(found) > 15 and set(found) == {0, 1}


def test_several_that_publish_at_once_leave_one_whole_set(versions, tmp_path):
    folders, known = versions
    out = tmp_path / "out"
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            try:
                for turn in range(5):
                    publish_from(folders[(number + turn) % 2], out)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert hashes(out) in known
    assert listing(out) == listing(folders[0])


def test_what_cannot_be_published_changes_nothing(versions, tmp_path):
    (old, new), known = versions
    out = tmp_path / "out"
    shutil.copytree(old, out)
    (out / "small.onnx").unlink()
    (out / "small.onnx").mkdir()
    with pytest.raises(NanodetError, match=r"small\.onnx: is a folder; a file of this name"):
        publish_from(new, out)
    assert hashes(out) == known[0]
    assert listing(out) == listing(old)


def test_the_work_of_the_living_stays_and_hidden_files_are_not_moved(tmp_path):
    (tmp_path / ".nanodet-tmp-dead_one").mkdir()
    (tmp_path / INCOMING).mkdir()
    (tmp_path / INCOMING / ".bashrc").write_text("rm -rf")
    with working_folder(tmp_path) as mine:
        assert mine.is_dir()
        with working_folder(tmp_path) as other, publishing(tmp_path):
            assert mine.is_dir() and other != mine
    assert listing(tmp_path) == [INCOMING, f"{INCOMING}/.bashrc"]


def test_a_folder_is_locked_until_its_process_is_dead(tmp_path):
    (told, tell), (wait, end) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end)
        with locked(tmp_path):
            if os.fork():
                os.write(tell, b"!")
            os.read(wait, 1)  # a fork lives on, and the lock must not be its own
            os._exit(0)
    os.read(told, 1)
    with (
        pytest.raises(NanodetError, match=rf"in use by process {child} on \S+: wait until"),
        locked(tmp_path),
    ):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with locked(tmp_path) as really:
        assert really
    assert not list(tmp_path.iterdir())
    for handle in (told, tell, wait, end):
        os.close(handle)
