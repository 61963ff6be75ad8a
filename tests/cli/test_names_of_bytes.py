"""Names of files that are no text: libraries that open a file by its name end the process on some."""

import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from nanodet.export.stages import FP32

PROGRAM = """
import contextlib, io, json, sys
from nanodet.cli.main import main
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    print(json.dumps([status, err.getvalue()]), flush=True)
"""
REFUSED = "this name is no text in utf-8; rename it"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="names are text on other systems")
def test_names_that_are_no_text(exported_small, small_checkpoint, tmp_path):
    odd = os.path.join(os.fsencode(tmp_path), b"odd\xff\xe9")
    os.mkdir(odd)
    for path in exported_small.files[FP32].parent.glob("small.*"):
        shutil.copy(os.fsencode(path), odd)
    shutil.copy(os.fsencode(small_checkpoint), os.path.join(odd, b"small.ckpt"))
    picture = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    for name in (b"a\xff.png", b"b.png"):
        with open(os.path.join(odd, name), "wb") as file:
            file.write(picture)
    odd, model = os.fsdecode(odd), str(exported_small.files[FP32])
    new, results = f"{odd}/new", str(tmp_path / "results")
    models = ("small.param", "small.onnx", "small.ckpt")
    refused = [
        *(["detect", f"{odd}/{name}", odd, "--out", results] for name in models),
        ["info", f"{odd}/small.param"],
        ["info", f"{odd}/small.onnx"],
        ["export", str(small_checkpoint), "--out", new],
        ["quantize", model, "--images", odd, "--out", new],
        ["quickstart", "--out", new],
    ]  # fmt: skip
    taken = [["detect", model, source, "--out", results] for source in (odd, f"{odd}/a\udcff.png")]
    cases = refused + taken
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(cases)], capture_output=True, text=True,
        cwd=tmp_path, timeout=300, check=False,
    )  # fmt: skip
    ended = list(map(json.loads, done.stdout.splitlines()))
    assert done.returncode == 0 and len(ended) == len(cases), cases[len(ended)]
    for words, (status, err) in zip(refused, ended, strict=False):
        lines = err.splitlines()
        assert status == 1 and len(lines) == 1 and lines[0].endswith(REFUSED), (words, err)
    assert not os.path.exists(new)
    assert [status for status, _ in ended[len(refused) :]] == [0, 0]
