"""Whatever arguments the public functions get, the process goes on: in child processes, since one ends."""

import json
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from nanodet.export.stages import FP32

WORKER = Path(__file__).resolve().parents[1] / "odd_arguments.py"
TIME_LIMIT_S = 60


@pytest.fixture
def folder(exported_small, root, tmp_path):
    """What the calls use: models, an image, a video, a config."""
    for path in exported_small.files[FP32].parent.glob("small.*"):
        shutil.copy(path, tmp_path)
    for suffix in (".param", ".bin"):
        shutil.copy(tmp_path / f"small{suffix}", tmp_path / f"odd{suffix}")
    shutil.copy(root / "config" / "nanodet-m.yml", tmp_path / "c.yml")
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    video = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(5):
        video.write(picture)
    video.release()
    return tmp_path


def outcomes(folder, seeds):
    """Yield (seed, function, outcome) of each call; a process that ended or hangs is an outcome."""
    process = None
    for seed in seeds:
        if process is None or process.poll() is not None:
            process = subprocess.Popen(
                [sys.executable, WORKER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True, cwd=folder,
            )  # fmt: skip
        print(seed, file=process.stdin, flush=True)
        watch = threading.Timer(TIME_LIMIT_S, process.kill)
        watch.start()
        answer = process.stdout.readline()
        watch.cancel()
        function, outcome = json.loads(answer) if answer else ("?", f"ended with {process.wait()}")
        yield seed, function, outcome
    process.stdin.close()
    process.wait(TIME_LIMIT_S)


@pytest.mark.parametrize("calls", [200, pytest.param(20_000, marks=pytest.mark.slow)])
def test_no_argument_ends_the_process(folder, calls):
    ended, functions = [], Counter()
    for seed, function, outcome in outcomes(folder, range(calls)):
        functions[function] += 1
        if outcome.startswith("ended"):
            ended.append((seed, outcome))
    assert not ended
    assert len(functions) >= 13 and min(functions.values()) >= calls / 100
