"""Any letter on any terminal: names that its encoding lacks are escaped, and end no command."""

import io
import json
import os
import subprocess
import sys

import cv2
import pytest
from box_model import write_box_model
from moving_pictures import grey, write_video

from nanodet.cli.main import main, run_command

NAMES = ("方块", "lámpara 灯")
NOT_TEXT = b"caf\xe9"  # a name as Latin-1 systems write it

# what a terminal is told to be; the last is a locale whose files have names in ASCII too
TERMINALS = {
    "cp1252": {"PYTHONIOENCODING": "cp1252:strict"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


def run(root, terminal, *words, script=None):
    start = [str(root / script)] if script else ["-m", "nanodet.cli.main"]
    done = subprocess.run(
        [sys.executable, *start, *words], env=os.environ | {"PYTHONPATH": str(root)} | terminal,
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode("latin-1")
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A model, three images (one with a name that is no text), a video, a COCO file."""
    folder = tmp_path_factory.mktemp("data") / "数据"
    (folder / "in").mkdir(parents=True)
    write_box_model(folder / "灯.onnx", NAMES)
    picture = cv2.imencode(".png", grey(150))[1].tobytes()
    for name in ("ü.png".encode(), "图.png".encode(), NOT_TEXT + b".png"):
        (folder / "in" / os.fsdecode(name)).write_bytes(picture)
    write_video(folder / "v.avi", 3).rename(folder / "视频.avi")
    write_video(folder / "v.avi", 3).rename(folder / os.fsdecode(NOT_TEXT + b".avi"))
    coco = {
        "images": [{"id": 1, "file_name": "图.png", "width": 128, "height": 96}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(NAMES, 1)],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 2,
                "bbox": [24, 18, 64, 48],
                "area": 3072,
                "iscrowd": 0,
            }
        ],
    }
    (folder / "标注.json").write_text(json.dumps(coco), encoding="utf-8")
    return folder


@pytest.mark.parametrize("terminal", TERMINALS)
def test_detect(root, data, tmp_path, terminal):
    out = tmp_path / "out"
    words = ["detect", data / "灯.onnx", data / "in", "--out", out]
    code, told, err = run(root, TERMINALS[terminal], *words)
    if terminal == "C":  # the engine opens files by their names; the line says how to go on
        assert code == 1 and b"set PYTHONUTF8=1" in err and err.count(b"\n") == 1
        return
    assert (code, err) == (0, b"")
    assert b"\\u56fe.png: 1 " in told and b"caf\\udce9.png: 1 " in told
    assert sorted(os.listdir(os.fsencode(out))) == sorted(
        [b"detections.jsonl", NOT_TEXT + b".png", "ü.png".encode(), "图.png".encode()]
    )
    lines = [json.loads(line) for line in (out / "detections.jsonl").open(encoding="utf-8")]
    assert {line["detections"][0]["class_name"] for line in lines} == {NAMES[1]}
    for line in lines:  # each name leads back to its file
        assert os.path.isfile(line["source"])


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1"])
def test_other_commands(data, encoding, monkeypatch):
    pytest.importorskip("pycocotools")
    model, coco = str(data / "灯.onnx"), str(data / "标注.json")
    for words, status in (
        (["eval", model, "--images", str(data / "in"), "--annotations", coco], 0),
        (["info", model], 0),
        (["verify", str(data / "没有.ckpt"), model], 1),
        (["train", str(data / "没有.yml")], 1),
        (["bench", str(data / "没有.onnx")], 1),
    ):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]  # strict
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        assert main(words) == status
        for stream in streams:
            stream.flush()
        out, err = (stream.buffer.getvalue() for stream in streams)
        assert err.count(b"\n") == status and (words[0] != "eval" or b"\\u65b9\\u5757" in out)


def test_scripts(root, data):
    words = ["--task", "val", "--config", data / "没有.yml", "--model", data / "灯.onnx"]
    code, _, err = run(root, TERMINALS["cp1252"], *words, script="tools/test.py")
    assert code == 1 and err.count(b"\n") == 1 and b"\\u6ca1\\u6709.yml" in err
    words = ["image", "--model", data / "没有.onnx", "--path", data / "in" / "图.png"]
    code, _, err = run(root, TERMINALS["cp1252"] | {"DISPLAY": ""}, *words, script="demo/demo.py")
    assert code == 1 and err.count(b"\n") == 1


def test_names_that_are_no_text(root, data, tmp_path):
    """OpenCV's readers end the process on such names."""
    picture, video = (data / os.fsdecode(NOT_TEXT + end) for end in (b".avi", b".png"))
    picture, video = data / "in" / video.name, picture
    code, told, _ = run(root, {}, "detect", data / "灯.onnx", picture, "--out", tmp_path / "out")
    assert code == 0 and b"caf\\udce9.png: 1 " in told
    model = tmp_path / os.fsdecode(NOT_TEXT + b".onnx")
    model.write_bytes((data / "灯.onnx").read_bytes())
    folder = tmp_path / os.fsdecode(NOT_TEXT)
    for words in ([data / "灯.onnx", video, "--out", tmp_path], [model, picture, "--out", tmp_path],
                  [data / "灯.onnx", data / "视频.avi", "--out", folder]):  # fmt: skip
        code, _, err = run(root, {}, "detect", *words)
        assert code == 1 and err.count(b"\n") == 1 and b"is no text in utf-8; rename it" in err


def test_a_name_that_the_system_cannot_open_is_one_line(capsys):
    def fails():
        "方块/run".encode("ascii")

    assert run_command(fails) == 1
    err = capsys.readouterr().err
    assert err == (
        "nanodet: error: 方块/run: this name cannot be written in ascii; "
        "set PYTHONUTF8=1, or rename it\n"
    )
