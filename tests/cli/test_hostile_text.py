"""Names and texts of strangers reach no terminal raw: commands are driven with them, and every byte
that they write is looked at."""

import contextlib
import fcntl
import http.server
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import cv2
import pytest
from box_model import write_box_model
from hostile_text import HARMLESS, LINES, NAME, STEERING, assert_harmless
from hypothesis import given
from hypothesis import strategies as st
from moving_pictures import grey
from scripted_adb import ScriptedAdb

from nanodet.bench.target import adb
from nanodet.cli.main import main
from nanodet.text.printable import json_text, printable


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models, images, annotations and configs whose every name is hostile."""
    folder = tmp_path_factory.mktemp("hostile") / NAME
    (folder / "in").mkdir(parents=True)
    write_box_model(folder / f"{NAME}.onnx", (f"dark{LINES}", LINES))
    cv2.imwrite(str(folder / "p.png"), grey(150))
    (folder / "p.png").rename(folder / "in" / f"{NAME}.png")
    (folder / "in" / f"broken{NAME}.png").write_bytes(b"no picture")
    (folder / f"broken{NAME}.onnx").write_bytes(b"no model")
    config = {"class_names": [LINES], f"key{LINES}": 1, "save_dir": str(folder / "run")}
    (folder / f"{NAME}.yml").write_text(json.dumps(config), encoding="utf-8")
    (folder / "value.yml").write_text(json.dumps({"class_names": 5, "save_dir": LINES}))
    (folder / "syntax.yml").write_bytes(f"a: [{NAME}\n".encode() + b"\xff")
    box = {"bbox": [24, 18, 64, 48], "area": 3072, "iscrowd": 0, "image_id": 1}
    coco = {
        "images": [{"id": 1, "file_name": f"{NAME}.png", "width": 128, "height": 96}],
        "categories": [{"id": 1, "name": f"dark{LINES}"}, {"id": 2, "name": LINES}],
        "annotations": [{"id": 1, "category_id": 2, **box}],
    }
    (folder / "coco.json").write_text(json.dumps(coco))
    coco["categories"][1]["name"] = f"other{LINES}"
    (folder / "other.json").write_text(json.dumps(coco))
    coco["images"][0]["file_name"] = f"gone{LINES}"
    (folder / "gone.json").write_text(json.dumps(coco))
    return folder


def commands(folder, out):
    model, pictures = folder / f"{NAME}.onnx", folder / "in"
    broken, gone = folder / f"broken{NAME}.onnx", folder / f"gone{NAME}"
    data = ["eval", model, "--images", pictures, "--annotations"]
    return {
        "detect": ["detect", model, pictures / f"{NAME}.png", "--out", out],
        "detect, of a folder": ["detect", model, pictures, "--out", out],
        "detect, not there": ["detect", model, gone, "--out", out],
        "detect, no model": ["detect", broken, pictures, "--out", out],
        "detect, no such model": ["detect", gone, pictures, "--out", out],
        "detect, no option": ["detect", model, pictures, f"--{NAME}"],
        "detect, no size": ["detect", model, pictures, "--out", out, "--size", LINES],
        "eval": [*data, folder / "coco.json"],
        "eval, other classes": [*data, folder / "other.json"],
        "eval, other images": [*data, folder / "gone.json"],
        "eval, no annotations": [*data, pictures / f"{NAME}.png"],
        "info": ["info", model],
        "info, no model": ["info", broken],
        "verify": ["verify", gone, model],
        "train, key": ["train", folder / f"{NAME}.yml"],
        "train, value": ["train", folder / "value.yml"],
        "train, syntax": ["train", folder / "syntax.yml"],
        "train, override": ["train", folder / "value.yml", f"data.{NAME}={NAME}"],
        "export": ["export", broken, "--out", out],
        "quantize": ["quantize", gone, "--out", out],
        "import": ["import", broken, "--config", folder / f"{NAME}.yml", "--out", out],
        "bench": ["bench", broken],
        "bench, no target": [
            "bench",
            model,
            "--target",
            f"serial:{NAME}",
            "--program",
            sys.executable,
        ],
        "download": ["download", LINES],
        "verb": [LINES],
    }


def run(words, capfd):
    """Run a command here; returns what it wrote."""
    capfd.readouterr()
    with contextlib.suppress(SystemExit):  # argparse's
        main(list(map(str, words)))
    return "".join(assert_harmless(part.encode()) for part in capfd.readouterr())


@pytest.mark.parametrize("name", commands(Path(), ""))
def test_every_command(name, folder, tmp_path, capfd):
    said = run(commands(folder, tmp_path / NAME)[name], capfd)
    assert HARMLESS in said and r"\x1b[31m" in said


def test_written_texts(folder, tmp_path, capfd):
    """What is read with a pager or cat later."""
    run(commands(folder, tmp_path)["detect"], capfd)
    (line,) = (tmp_path / "detections.jsonl").read_bytes().splitlines()
    assert_harmless(line)
    assert json.loads(line)["detections"][0]["class_name"] == LINES
    bench = [
        "bench",
        folder / f"{NAME}.onnx",
        "--runs",
        "2",
        "--seconds",
        "0.01",
        "--json",
        tmp_path / "bench.json",
    ]
    said = run(bench, capfd)
    assert r"\x1b[31m" in said
    report = (tmp_path / "bench.json").read_bytes()
    assert_harmless(report)
    assert json.loads(report)["results"][0]["name"].startswith(NAME)


def test_texts_of_a_server(tmp_path, capfd, monkeypatch):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.wfile.write(b"HTTP/1.1 404 gone\x1b[31m\x9b2J\x7f\r\n\r\n")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NANODET_MIRROR", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NANODET_HOME", str(tmp_path / "cache"))
    said = run(["download", "nanodet-m_320"], capfd)
    server.shutdown()
    server.server_close()
    assert r"answers 404 gone\x1b[31m\x9b2J\x7f" in said


@pytest.mark.parametrize("verb", ["shell", "push"])
def test_texts_of_a_device(folder, capfd, monkeypatch, verb):
    said = r"printf 'banner\033[31m\302\233\177\n\033]0;x\007broken\033[2J\n'; printf 'e\033[2J' >&2; exit 3"
    start = ScriptedAdb(**{verb: said})
    monkeypatch.setattr(adb.AdbDevice, "__init__", _with_start(adb.AdbDevice.__init__, start))
    monkeypatch.setenv("TMPDIR", str(folder))
    line = run(
        ["bench", folder / f"{NAME}.onnx", "--target", "adb", "--program", sys.executable], capfd
    )
    assert "nanodet: error: " in line


def _with_start(init, start):
    return lambda self, serial, _, root="/": init(self, serial, start, root)


def test_a_progress_bar_steers_only_its_line(root, folder, tmp_path):
    """On a terminal, where bars are drawn; the texts beside them are harmless there, too."""
    pytest.importorskip("tqdm")
    for n in range(24):
        (tmp_path / f"{n}{NAME}.png").write_bytes(b"no picture" if n % 4 else _png())
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    words = ["detect", folder / f"{NAME}.onnx", tmp_path, "--out", tmp_path / f"out{NAME}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "nanodet.cli.main", *map(str, words)], stdin=theirs, stdout=theirs,
        stderr=theirs, env=os.environ | {"PYTHONPATH": str(root), "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    data = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while part := os.read(ours, 1 << 16):
            data += part
    os.close(ours)
    process.wait()
    assert b"/24 [" in data and data.count(rb"\x1b[31m") > 10
    assert_harmless(data.replace(b"\r", b""))


def _png():
    return cv2.imencode(".png", grey(150))[1].tobytes()


@given(st.text())
def test_printable_keeps_letters_and_escapes_the_rest(text):
    shown = printable(text)
    assert_harmless(shown.encode())
    assert "\n" not in shown
    if text.isprintable():
        assert shown == text
    assert json.loads(json_text(text)) == text
    assert not re.search("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", json_text(text))


def test_printable_as_it_is_read():
    assert printable("a\x1b[31m\n\t\\é日👩\u200d🔬\ud800") == r"a\x1b[31m\n\t\é日👩‍🔬\ud800"
    assert printable(STEERING).isascii()
