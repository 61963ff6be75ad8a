"""The quickstart: its images, and the whole of it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from nanodet.cli.main import main
from nanodet.quickstart.shapes import CLASSES, draw_picture, draw_set
from nanodet.train.outputs import LAST


def test_the_same_seed_draws_the_same_set(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        draw_set(tmp_path / name, 3, seed)
    assert (tmp_path / "a" / "annotations.json").read_text() == (
        tmp_path / "b" / "annotations.json"
    ).read_text()
    for index in range(3):
        files = [(tmp_path / name / "images" / f"{index:04d}.jpg").read_bytes() for name in "abc"]
        assert files[0] == files[1] != files[2]


def test_every_class_and_size_occurs_and_boxes_lie_inside():
    sides, labels = [], set()
    for index in range(60):
        picture, boxes, found = draw_picture(np.random.default_rng(index))
        height, width = picture.shape[:2]
        assert len(boxes) == len(found) >= 1
        for x1, y1, x2, y2 in boxes:
            assert 0 <= x1 < x2 <= width
            assert 0 <= y1 < y2 <= height
            sides.append(max(x2 - x1, y2 - y1))
        labels |= set(found)
    assert labels == set(range(len(CLASSES)))
    assert min(sides) < 32
    assert max(sides) > 96


def run(root, out, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "nanodet.cli.main", "quickstart", "--out", str(out), *arguments],
        env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=900,
    )  # fmt: skip


def test_one_epoch_goes_all_the_way(root, tmp_path):
    done = run(root, tmp_path / "q", "--epochs", "1", "--pictures", "32")
    assert done.returncode == 0, done.stderr[-3000:]
    report = (tmp_path / "q" / "report.md").read_text()
    for stage in ("torch", "onnx simplified", "ncnn fp32", "ncnn fp16"):
        (row,) = [line for line in report.splitlines() if line.startswith(f"| {stage} |")]
        network, whole = map(float, re.findall(r"([\d.]+) ms", row))  # as bench measures them
        assert 0 < network < whole
    for picture in ("validation.jpg", "run/loss.png", "run/ap.png"):
        assert picture in report
        assert (tmp_path / "q" / picture).stat().st_size > 0


@pytest.mark.slow
def test_a_stopped_one_says_a_command_that_goes_on(tmp_path, capsys):
    out = tmp_path / "quick start"

    def interrupt():
        while not (out / "run" / LAST).exists():
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    assert main(["quickstart", "--out", str(out), "--epochs", "2", "--pictures", "8"]) == 130
    line = capsys.readouterr().err.splitlines()[-1]
    command = re.fullmatch(r"nanodet: stopped in epoch [12]; nanodet (train .*) resumes it", line)
    assert command and main(shlex.split(command[1])) == 0, line
    assert "after 1 epochs" in capsys.readouterr().out


@pytest.mark.slow
def test_the_whole_quickstart_learns(root, tmp_path):
    done = run(root, tmp_path / "q")
    assert done.returncode == 0, done.stderr[-3000:]
    pictures, annotations = tmp_path / "q/data/val/images", tmp_path / "q/data/val/annotations.json"
    out = tmp_path / "ap.json"
    subprocess.run(
        [sys.executable, "-m", "nanodet.cli.main", "eval", str(tmp_path / "q/model/quickstart.param"),
         "--images", str(pictures), "--annotations", str(annotations), "--json", str(out)],
        env={**os.environ, "PYTHONPATH": str(root)}, check=True,
    )  # fmt: skip
    assert json.loads(out.read_text())["AP50"] >= 85
