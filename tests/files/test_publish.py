"""New files replace earlier ones all at once, wherever the process is killed."""

import itertools
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from kill_points import killed_at
from small_disk import as_root, contents, mounted

from nanodet import Detector, NanodetError
from nanodet.bench.plan import plan_entries
from nanodet.bench.target.parcel import Parcel
from nanodet.cli.main import main
from nanodet.export.stages import FP32
from nanodet.files.files import sha256
from nanodet.files.incoming import INCOMING, MANIFEST
from nanodet.files.locks import locked
from nanodet.files.publish import publish, publishing, working_folder
from nanodet.hub.catalogue import CATALOGUE
from nanodet.hub.models import is_cached
from nanodet.runtime.detector import find_model
from nanodet.runtime.engines.ncnn import check_files
from nanodet.runtime.spec import Spec
from nanodet.verify.artefacts import find_models

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
        (disk / "small.onnx").write_bytes(b"an earlier model's")
        leave(new, disk, moved=2)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert Detector(disk / "small.param").spec.files == wanted
        for engine in ("onnxruntime", "openvino"):
            assert len(Detector(disk / "small.onnx", engine=engine).class_names) == 3


def publish_from(source, out):
    with working_folder(out) as work:
        shutil.copytree(source, work, dirs_exist_ok=True)
        with publishing(out):
            publish(work, out)


def leave(source, out, moved=0):
    """Publish, and be killed when so many files have been moved to their places."""
    assert killed_at(moved + 1, lambda: publish_from(source, out), calls=["replace"])


def listing(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_killed_anywhere_the_old_or_the_new_set_is_whole(versions, tmp_path):
    (old, new), known = versions
    found = []
    for number in itertools.count(1):
        out = tmp_path / str(number)
        shutil.copytree(old, out)
        killed = killed_at(number, lambda out=out: publish_from(new, out))
        left = listing(out)
        found.append(known.index(hashes(out)))
        assert listing(out) == left  # looking at a model changes nothing
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


def test_the_work_of_the_living_stays(tmp_path):
    (tmp_path / ".nanodet-tmp-dead_one").mkdir()
    with working_folder(tmp_path) as mine:
        assert mine.is_dir()
        with working_folder(tmp_path) as other, publishing(tmp_path):
            assert mine.is_dir() and other != mine
    assert not listing(tmp_path)


def test_a_folder_in_which_nothing_was_made_goes_again(tmp_path):
    with pytest.raises(NanodetError, match="No space left"), working_folder(tmp_path / "a" / "b"):
        raise OSError(28, "No space left on device")
    (tmp_path / "kept").mkdir()
    with pytest.raises(NanodetError, match="x"), working_folder(tmp_path / "kept"):
        raise NanodetError("x")
    assert listing(tmp_path) == ["kept"]


@pytest.mark.parametrize("moved", [0, 2, 4])
def test_every_reader_finds_what_a_killed_publish_left(versions, tmp_path, capsys, moved):
    (_, new), (_, wanted) = versions
    out = tmp_path / "out"
    leave(new, out, moved)
    left = contents(out)
    model = out / "small.param"
    assert Detector(model).spec.files == wanted
    assert main(["info", str(model)]) == 0 and main(["info", str(out / "small.onnx")]) == 0
    assert "small.bin 978,472 bytes" in capsys.readouterr().out
    images = tmp_path / "images"
    assert main(["quantize", str(model), "--images", str(images), "--out", str(out)]) == 1
    assert str(images) in capsys.readouterr().err.splitlines()[-1]  # the model is fine
    shutil.rmtree(out)
    leave(new, out, moved)
    assert contents(out) == left
    found = [path.relative_to(out).as_posix() for path in find_models(out)]
    assert found == ["intermediate/small-raw.onnx", "small.onnx", "small.param"]
    assert find_models(model) == [model]
    parcel = Parcel(plan_entries([str(model)], here=False), "/bin/true", None, tmp_path)
    sent = {name: sha256(path) for name, path in parcel.files.items() if name.startswith("0/")}
    assert sent == {f"0/{name}": sha256(new / name) for name in FILES[:3]}
    assert contents(out) == left


def test_the_cache_is_read_where_a_killed_download_left_it(versions, tmp_path, monkeypatch):
    (_, new), _ = versions
    monkeypatch.setenv("NANODET_HOME", str(tmp_path))
    model = next(iter(CATALOGUE.values()))
    source, out = tmp_path / "source", tmp_path / model.name
    source.mkdir()
    for suffix in (".param", ".bin"):
        shutil.copy(new / f"small{suffix}", source / f"{model.name}{suffix}")
    files = {path.name: sha256(path) for path in source.iterdir()}
    made = {"url": model.folder, "licence": model.licence}
    made |= {file.name: file.sha256 for file in (model.param, model.weights)}
    spec = model.spec.to_dict() | {"files": files, "source": made}
    Spec.from_json(json.dumps(spec), "x").save(source / f"{model.name}.json")
    leave(source, out, moved=1)
    left = contents(out)
    assert is_cached(model) and contents(out) == left
    assert Path(find_model(model.name)).parent == out
    assert sorted(contents(out)) == sorted(path.name for path in source.iterdir())


def test_what_was_put_there_since_stays(versions, tmp_path, capfd):
    (old, new), known = versions
    out = tmp_path / "out"
    shutil.copytree(old, out)
    leave(new, out)
    assert hashes(out) == known[1]
    for name in FILES[:3]:  # of a model with other comments in its spec
        shutil.copy(old / name, out / name)
    spec = json.loads((old / "small.json").read_text()) | {"measured": {"by": "me"}}
    (out / "small.json").write_text(json.dumps(spec))
    (out / "small.bin").write_bytes((new / "small.bin").read_bytes()[::-1])
    assert Spec.load(out / "small.json").measured == {"by": "me"}
    with publishing(out):
        assert listing(out) == listing(new)
        assert Spec.load(out / "small.json").measured == {"by": "me"}
        assert (out / "small.bin").read_bytes() == (new / "small.bin").read_bytes()[::-1]
        assert sha256(out / "intermediate/small-raw.onnx") == sha256(
            new / "intermediate/small-raw.onnx"
        )
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 2 and all("stays, as it was put there after" in line for line in told)


def test_what_systems_put_into_folders_is_not_in_the_way(versions, tmp_path):
    (old, new), known = versions
    out = tmp_path / "out"
    shutil.copytree(old, out)
    leave(new, out)
    for place in (out / INCOMING, out / INCOMING / "intermediate"):
        (place / ".DS_Store").write_bytes(b"Bud1")
    publish_from(new, out)
    assert listing(out) == listing(new) and hashes(out) == known[1]


def linked(here):
    (here.archive / INCOMING).symlink_to(here.victim)


def linked_with_manifest(here):
    here.archive.joinpath(INCOMING).symlink_to(here.victim)
    (here.victim / MANIFEST).write_text('{"thesis.txt": null, "sub/keys.txt": null}')


def without_manifest(here):
    here.incoming("small.json", "train.py")


def of_other_kinds(here):
    here.incoming("train.py", manifest={"train.py": None})


def through_a_linked_folder(here):
    (here.archive / "sub").symlink_to(here.victim)
    known = sha256(here.victim / "thesis.txt")
    here.incoming("sub/thesis.txt", manifest={"sub/thesis.txt": known})


def linked_files(here):
    (here.archive / INCOMING / "sub").mkdir(parents=True)
    (here.archive / INCOMING / "small.json").symlink_to(here.victim / "thesis.txt")
    (here.archive / INCOMING / "more").symlink_to(here.victim)
    here.incoming(manifest={"small.json": None, "more/thesis.txt": None})


def elsewhere(here):
    names = ["../victim/thesis.txt", str(here.victim / "thesis.txt"), "a/../../victim/thesis.txt"]
    here.incoming("small.json", manifest=dict.fromkeys(names))


def manifest_is_a_pipe(here):
    here.incoming("small.json")
    os.mkfifo(here.archive / INCOMING / MANIFEST)


def manifest_is_deep(here):
    here.incoming("small.json")
    (here.archive / INCOMING / MANIFEST).write_text("[" * 100_000)


def hidden(here):
    here.incoming(".bashrc")


def over_what_it_did_not_know(here):
    here.incoming("small.json", manifest={"small.json": "0" * 64})


STRANGERS = {
    linked: "is in the way", linked_with_manifest: "is in the way",
    without_manifest: "is in the way", of_other_kinds: "is in the way",
    through_a_linked_folder: "sub: is a link, through which no files",
    linked_files: "is in the way", elsewhere: "is in the way",
    manifest_is_a_pipe: "is in the way", manifest_is_deep: "is in the way",
    hidden: "is in the way", over_what_it_did_not_know: None,
}  # fmt: skip


@pytest.mark.parametrize("make", STRANGERS, ids=lambda make: make.__name__)
def test_a_strangers_archive_changes_nothing_of_ones_own(versions, tmp_path, make, capsys):
    (old, _), known = versions
    archive, victim = tmp_path / "archive", tmp_path / "victim"
    shutil.copytree(old, archive)
    (archive / "train.py").write_text("mine")
    victim.mkdir()
    (victim / "thesis.txt").write_text("mine")

    def incoming(*names, manifest=None):
        for name in names:
            path = archive / INCOMING / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("evil")
        if manifest is not None:
            (archive / INCOMING / MANIFEST).write_text(json.dumps(manifest))

    make(SimpleNamespace(archive=archive, victim=victim, incoming=incoming))
    own = contents(victim), listing(archive)
    assert hashes(archive) == known[0]
    assert main(["info", str(archive / "small.param")]) == 0
    assert [path.name for path in find_models(archive)][-1] == "small.param"
    assert own == (contents(victim), listing(archive))
    if STRANGERS[make]:
        with pytest.raises(NanodetError, match=STRANGERS[make]), working_folder(archive):
            pytest.fail("after the work is too late")
    else:
        publish_from(old, archive)
        assert not (archive / INCOMING).exists()
    assert contents(victim) == own[0] and (archive / "train.py").read_text() == "mine"
    assert hashes(archive) == known[0]


@pytest.mark.slow
def test_one_that_publishes_does_not_disturb_those_that_read(versions, tmp_path):
    folders, known = versions
    out = tmp_path / "out"
    publish_from(folders[0], out)
    child = os.fork()
    if child == 0:
        try:
            for turn in itertools.count():
                publish_from(folders[turn % 2], out)
        finally:
            os._exit(1)
    try:
        found = [known.index(Detector(out / "small.param").spec.files) for _ in range(60)]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert set(found) == {0, 1}
    assert len(Detector(out / "small.onnx").class_names) == 3


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
