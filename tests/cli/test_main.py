"""The command line itself: help, unknown verbs, and what a bare install may import."""

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from box_model import write_box_model

from nanodet.cli.commands import VERBS, command_parser
from nanodet.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"nanodet {verb}" in shown
    # and what it shows as examples is understood
    examples = shown[shown.index("\nexamples:\n") :].split("\n\n")[0].splitlines()[2:]
    assert examples
    for example in examples:
        start, *words = shlex.split(example)
        assert (start, command_parser().parse_args(words).verb) == ("nanodet", verb)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["eval"],
        ["quickstart", "--epochs", "0"],
        ["detect", "m.onnx", "a.jpg", "--score", "2"],
    ],
)
def test_wrong_words_are_told_without_a_traceback(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["info", "none.yml"], ["info", "none.onnx"], ["info", "none.ckpt"], ["train", "none.yml"],
        ["study", "none.yml"],
        ["detect", "none.param", "none.jpg", "--out", "x"], ["export", "none.ckpt", "--out", "x"],
        ["eval", "none.onnx", "--images", ".", "--annotations", "none.json"],
        ["quickstart", "--seed", "-1"], ["quickstart", "--out", "/proc/x"],
    ],
)  # fmt: skip
def test_what_is_not_there_is_one_line(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("nanodet: error: ")


@pytest.mark.parametrize("verb", VERBS)
def test_help_imports_nothing_heavy(verb, root):
    code = (
        "import sys; from nanodet.cli.main import main\n"
        f"try: main([{verb!r}, '--help'])\nexcept SystemExit: pass\n"
        "sys.exit(str({'torch', 'cv2', 'numpy', 'yaml'} & set(sys.modules) or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("script", [None, "tools/train.py"])
def test_overrides_may_stand_behind_the_seed(root, tmp_path, script):
    start = [str(root / script)] if script else ["-m", "nanodet.cli.main", "train"]
    config = str(root / "config" / "nanodet-m.yml")

    def said(*words):
        done = subprocess.run(
            [sys.executable, *start, *words], env={**os.environ, "PYTHONPATH": str(root)},
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr.splitlines()[-1]

    words = ["log.interval=5", "--seed", "4", "schedule.lr=1", "log.interval=7"]
    code, line = said(config, *words)
    assert code == 1 and "schedule.lr: unknown key" in line
    assert said(config, *words, "more") == (2, "nanodet train: error: unrecognized arguments: more")
    assert said(config, "more")[0] == 2
    assert said(config, "--lr=1")[0] == 2
    required = "nanodet train: error: the following arguments are required: CONFIG"
    assert said("--seed", "4") == said() == (2, required)


def test_a_package_that_is_not_installed_is_one_line(root, tmp_path):
    (tmp_path / "pytorch_lightning.py").write_text(
        "raise ModuleNotFoundError('No module named x', name='pytorch_lightning')"
    )
    done = subprocess.run(
        [sys.executable, "-m", "nanodet.cli.main", "train", str(root / "config/nanodet-m.yml")],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"}, cwd=tmp_path,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "nanodet: error: needs pytorch_lightning, which is not installed: "
        'pip install -e ".[all]" in its folder\n'
    )


def test_the_rooms_that_detect_import_neither_torch_nor_lightning(root):
    rooms = ("text", "files", "images", "ncnn_files", "runtime", "drawing", "detect", "hub")
    files = (path for room in rooms for path in (root / "nanodet" / room).rglob("*.py"))
    modules = sorted(".".join(path.relative_to(root).with_suffix("").parts) for path in files)
    modules.remove("nanodet.drawing.canvas")  # matplotlib's
    code = (
        "import sys; import nanodet; from nanodet import Detector, Detections;"
        f"import {', '.join(modules)}, nanodet.cli.main;".replace(".__init__", "")
        + "bad = {'torch', 'pytorch_lightning', 'onnx', 'pycocotools', 'matplotlib'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_rooms_that_detect_import_downwards_alone(root):
    order = ("text", "files", "images", "ncnn_files", "runtime", "hub", "drawing", "detect")
    for number, room in enumerate(order):
        for path in (root / "nanodet" / room).rglob("*.py"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                module = getattr(node, "module", None) or ""
                if isinstance(node, ast.ImportFrom) and module.startswith("nanodet."):
                    known = ("cores", "errors", "stopping", *order[: number + 1])
                    assert module.split(".")[1] in known, f"{path}: imports {module}"


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "tools").glob("*.py")))
def test_the_scripts_of_the_original_have_help(root, script):
    done = subprocess.run(
        [sys.executable, str(root / "tools" / script), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words", [("export", "LOOP", "--out", "out"), ("detect", "m.onnx", "in.png", "--out", "LOOP")]
)
def test_a_link_to_itself_is_one_line(tmp_path, capsys, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    Path("LOOP").symlink_to("LOOP")
    write_box_model(Path("m.onnx"), ("disc", "square"))
    Path("in.png").write_bytes(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    assert main(list(words)) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "LOOP" in err
