"""A command killed at any rename, removal or flush: old or new is whole, and the next run cleans up."""

import re
import shutil

import pytest
import torch
from kill_points import left_at_every_call
from lying_server import lying_server

from nanodet import Detector
from nanodet.cli.main import main
from nanodet.compare.tensors import generated_picture
from nanodet.export.export import export
from nanodet.export.import_model import import_model
from nanodet.export.stages import FP32
from nanodet.files.files import sha256
from nanodet.hub.models import fetch_model
from nanodet.images.image_file import write_picture
from nanodet.model.checkpoint import read_checkpoint
from nanodet.model.torch_backend import TorchBackend
from nanodet.quantize.quantize import quantize

NAME = "nanodet-m_320"


def silent(line):
    pass


@pytest.fixture(scope="module")
def checkpoints(small_checkpoint, tmp_path_factory):
    """The small checkpoint, and one with other weights."""
    other = tmp_path_factory.mktemp("other") / "small.ckpt"
    content = torch.load(small_checkpoint, weights_only=True)
    state = content["state_dict"]
    content["state_dict"] = {
        name: value * 0.97 if "conv" in name or "gfl" in name else value
        for name, value in state.items()
    }
    torch.save(content, other)
    return small_checkpoint, other


@pytest.fixture(scope="module")
def other_model(checkpoints, tmp_path_factory):
    """The ``.param`` of the other checkpoint."""
    return export(
        checkpoints[1], tmp_path_factory.mktemp("other"), formats="ncnn-fp32", report=silent
    ).files[FP32]


def listing(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def by_kind(copies):
    """Return those of the copies that are the first with their hidden files and folders."""
    kinds = {}
    for copy in copies:
        hidden = {re.sub(r"-\w{8}", "", name) for name in listing(copy) if name.startswith(".")}
        kinds.setdefault(frozenset(name.split("/")[0] for name in hidden), copy)
    return kinds.values()


@pytest.mark.slow
def test_export(exported_small, checkpoints, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(exported_small.files[FP32].parent, out)
    with left_at_every_call(out, tmp_path) as copies:
        export(checkpoints[1], out, report=silent)
    clean = listing(out)
    sources = [sha256(path) for path in checkpoints]
    found = []
    for copy in copies:
        kinds = (".param", "-fp16.param", ".onnx")
        (source,) = {Detector(copy / f"small{kind}").spec.source["sha256"] for kind in kinds}
        found.append(sources.index(source))
    assert found == sorted(found) and set(found) == {0, 1} and len(copies) > 20
    for copy in by_kind(copies):
        source = checkpoints[found[copies.index(copy)]]
        assert main(["verify", str(source), str(copy)]) == 0
        export(checkpoints[1], copy, report=silent)
        assert listing(copy) == clean


@pytest.mark.slow
def test_quantize(exported_small, other_model, tmp_path):
    out, images = tmp_path / "out", tmp_path / "images"
    for number in range(6):
        write_picture(images / f"{number}.png", generated_picture(number))
    quantize(exported_small.files[FP32], images, out, layers="all", report=silent)
    with left_at_every_call(out, tmp_path) as copies:
        quantize(other_model, images, out, layers="all", report=silent)
    clean = listing(out)
    sources = [
        sha256(path.with_suffix(".bin")) for path in (exported_small.files[FP32], other_model)
    ]
    assert sources[0] != sources[1]
    found = []
    for copy in copies:
        Detector(copy / "small-int8.param")  # whose hashes are those of its spec
        found.append(
            (copy / "small-int8.bin").read_bytes() == (out / "small-int8.bin").read_bytes()
        )
    assert found == sorted(found) and set(found) == {False, True}
    for copy in by_kind(copies):
        quantize(other_model, images, copy, layers="all", report=silent)
        assert listing(copy) == clean


@pytest.mark.slow
def test_import(exported_small, other_model, checkpoints, tmp_path):
    out = tmp_path / "out" / "again.ckpt"
    config = TorchBackend(checkpoints[0]).config
    import_model(exported_small.files[FP32], config, out, report=silent)
    before = out.read_bytes()
    with left_at_every_call(out.parent, tmp_path) as copies:
        import_model(other_model, config, out, report=silent)
    for copy in copies:
        read_checkpoint(copy / out.name)
        assert (copy / out.name).read_bytes() in (before, out.read_bytes())
    for copy in by_kind(copies):
        import_model(other_model, config, copy / out.name, report=silent)
        assert listing(copy) == [out.name]


@pytest.mark.slow
@pytest.mark.parametrize("earlier", [False, True])
def test_download(published, tmp_path, monkeypatch, earlier):
    home = tmp_path / "home"
    with lying_server(published) as server:
        monkeypatch.setenv("NANODET_MIRROR", server.url)
        monkeypatch.setenv("NANODET_HOME", str(home))
        home.mkdir()
        if earlier:  # files of a version that wrote them in another form
            spec = fetch_model(NAME).with_suffix(".json")
            spec.write_text(spec.read_text().replace('"per_level": 1000', '"per_level": 999'))
        with left_at_every_call(home, tmp_path) as copies:
            fetch_model(NAME)
        clean = listing(home)
        assert len(copies) > 8
        for copy in copies:
            monkeypatch.setenv("NANODET_HOME", str(copy))
            if earlier or (copy / NAME / f"{NAME}.param").exists():
                Detector(copy / NAME / f"{NAME}.param")
            Detector(NAME)
            assert listing(copy) == clean
