"""Devices, pipes, endless and huge files in place of a user's: one line at once, whoever reads them."""

import contextlib
import json
import os
import socket
import threading
import time

import pytest

from nanodet.errors import NanodetError
from nanodet.files import inputs
from nanodet.files.inputs import (
    ANNOTATIONS,
    CONFIG,
    PICTURE,
    read_bytes,
    read_text,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="special files of Unix")
KINDS = ("/dev/zero", "/dev/null", "/proc/kmsg", "pipe", "socket", "folder", "sparse", "nothing")
MAIN = "nanodet.cli.main:main"


def special(kind, path):
    """Make ``path`` a file of this kind."""
    if kind.startswith("/"):
        path.symlink_to(kind)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "sparse":
        path.touch()
        try:
            os.truncate(path, 100 << 30)
        except OSError:
            pytest.skip("this file system has no files of 100 GB")
    return path


@pytest.mark.parametrize("read", [read_text, read_bytes])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "/proc/kmsg"])
def test_what_is_no_file_is_not_read(tmp_path, kind, read):
    path = special(kind, tmp_path / "x")
    with pytest.raises(NanodetError, match="x: cannot read this"):
        read(path, ANNOTATIONS if read is read_text else PICTURE)


def test_files_that_the_kernel_makes_up_are_as_long_as_they_say(tmp_path):
    assert read_text("/proc/self/status", ANNOTATIONS) == ""


def test_a_text_is_read_as_far_as_it_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "STEP", 1000)
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + "ä\r\nb\rc".encode() * 1000)
    assert read_text(path, ANNOTATIONS, "utf-8-sig") == "ä\nb\nc" * 1000
    path.write_text("{")
    os.truncate(path, 8 << 30)
    with pytest.raises(UnicodeDecodeError):
        read_text(path, ANNOTATIONS)


def test_a_config_may_come_through_a_pipe(tmp_path, monkeypatch):
    pipe = special("pipe", tmp_path / "pipe")
    writer = threading.Thread(target=lambda: pipe.write_text("seed: 1\n" * 100_000))
    writer.start()
    assert read_text(pipe, CONFIG) == "seed: 1\n" * 100_000
    writer.join()
    monkeypatch.setattr(inputs, "PATIENCE_S", 0.1)
    with pytest.raises(NanodetError, match="nothing came out of this pipe within"):
        read_text(pipe, CONFIG)


def test_a_pipe_that_drips_is_left_in_time(tmp_path, monkeypatch):
    pipe = special("pipe", tmp_path / "pipe")

    def write():
        with contextlib.suppress(BrokenPipeError), open(pipe, "wb", buffering=0) as file:
            for _ in range(100):
                file.write(b"#")
                time.sleep(0.05)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    monkeypatch.setattr(inputs, "PIPE_S", 0.4)
    began = time.monotonic()
    with pytest.raises(NanodetError, match=r"only \d+ bytes came out of this pipe within 0\.4 s"):
        read_text(pipe, CONFIG)
    assert time.monotonic() - began < 3
    writer.join()


def test_a_pipe_without_end_is_left(tmp_path):
    pipe = special("pipe", tmp_path / "pipe")

    def write():
        try:
            with open(pipe, "wb") as file:
                while True:
                    file.write(b" " * 65536)
        except BrokenPipeError:
            pass

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(NanodetError, match=r"more than .* bytes come out of this pipe"):
        read_text(pipe, CONFIG)
    writer.join()


@pytest.fixture(scope="module")
def sample(tmp_path_factory, model):
    """A folder of what commands read."""
    import cv2
    import numpy as np

    folder = tmp_path_factory.mktemp("sample")
    for name in ("images", "labels", "xml", "models"):
        (folder / name).mkdir()
    cv2.imwrite(str(folder / "images" / "a.png"), np.zeros((48, 64, 3), np.uint8))
    cv2.imwrite(str(folder / "images" / "b.png"), np.zeros((48, 64, 3), np.uint8))
    (folder / "labels" / "a.txt").write_text("0 .5 .5 .5 .5\n")
    (folder / "labels" / "data.yaml").write_text("names: [a]\n")
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    (folder / "xml" / "a.xml").write_text(
        f"<annotation><object><name>a</name>{box}</object></annotation>"
    )
    images = [{"id": n, "file_name": f"{name}.png", "width": 64, "height": 48}
              for n, name in enumerate("ab")]  # fmt: skip
    boxes = [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 1, 9, 9]}]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "a"}]}
    (folder / "a.json").write_text(json.dumps(content))
    (folder / "models" / "m.onnx").write_bytes(model.read_bytes())
    for suffix in (".param", ".bin", ".json"):
        (folder / "models" / f"n{suffix}").touch()
    (folder / "list.txt").write_text("a\nb\n")
    (folder / "c.yml").write_text("seed: 1\n")
    return folder


def commands(folder):
    """Return (a file of ``folder``, a command that reads it)."""
    images, onnx = str(folder / "images"), str(folder / "models" / "m.onnx")

    def evaluate(kind, annotations, *more):
        given = ["--images", images, "--annotations", str(folder / annotations)]
        return ["eval", onnx, "--format", kind, *given, *more]

    return {
        "c.yml": ["train", str(folder / "c.yml")],
        "models/m.onnx": ["detect", onnx, images, "--out", str(folder / "out")],
        "models/n.param": ["info", str(folder / "models" / "n.param")],
        "models/n.json": ["info", str(folder / "models" / "n.param")],
        "images/a.png": ["detect", onnx, images, "--out", str(folder / "out")],
        "a.json": evaluate("coco", "a.json"),
        "list.txt": evaluate("coco", "a.json", "--list", str(folder / "list.txt")),
        "labels/a.txt": evaluate("yolo", "labels"),
        "labels/data.yaml": evaluate("yolo", "labels"),
        "xml/a.xml": evaluate("voc", "xml"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_no_command_reads_on_for_ever(bounded, sample, kind):
    for name, command in commands(sample).items():
        if kind == "pipe" and name in ("c.yml", "list.txt"):
            continue  # these wait for it a moment, see above
        path = sample / name
        path.rename(sample / "aside")
        try:
            special(kind, path)
            answer = bounded.call(MAIN, command)
        finally:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
            (sample / "aside").rename(path)
        lines = answer["printed"].strip().splitlines()
        assert answer["error"] is None, (name, answer)
        assert answer["value"] in ("0", "1"), (name, answer)
        assert answer["value"] == "0" or lines[-1].startswith("nanodet: error: "), (name, lines)
