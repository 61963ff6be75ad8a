"""Detectors and videos in processes forked from one that has used them: they work, or say why not."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nanodet.export.stages import FP32, SIMPLIFIED

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
END = """
import ctypes, os, sys
import cv2, ncnn
import nanodet.runtime.detector
import nanodet.detect.sources
libc = ctypes.CDLL(None)
libc.strdup.restype = ctypes.c_void_p
# gets the exit status: the number of standard output
libc.on_exit(libc.dprintf, ctypes.c_void_p(libc.strdup(b"called")))
child = os.fork()
if child:
    os.waitpid(child, 0)
    os._exit(0)
sys.exit(1)
"""
FORKED = {"ncnn": FP32, "onnxruntime": SIMPLIFIED, "openvino": SIMPLIFIED}


def try_all(root, way, folder, models):
    """Return what forked_engines.py tells of models: engine to file."""
    # its own process: this one may have used an engine already, and must not hang
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("forked_engines.py"), way, folder,
         *(f"{engine}={path}" for engine, path in models.items())],
        env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_engines_and_a_video_in_forked_processes(root, exported_small, tmp_path):
    models = {engine: exported_small.files[stage] for engine, stage in FORKED.items()}
    told = try_all(root, "forks", tmp_path, models)
    assert [one for one in told if not one["fine"]] == []
    assert len(told) == 2 * 6 + 3 + 3


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "on_exit"), reason="only glibc has on_exit")
def test_children_of_a_process_that_made_no_detector_end_as_any(root):
    """What coverage tools and profilers have registered is called there."""
    done = subprocess.run(
        [sys.executable, "-c", END], capture_output=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"called", b"")


@pytest.mark.slow
def test_a_checkpoint_in_forked_processes(root, small_checkpoint, tmp_path):
    told = try_all(root, "forks", tmp_path, {"torch": small_checkpoint})
    assert [one for one in told if not one["fine"]] == []
    assert len(told) == 6 + 3


@pytest.mark.slow
def test_engines_in_pools_of_processes(root, small_checkpoint, exported_small, tmp_path):
    models = {engine: exported_small.files[FORKED[engine]] for engine in ("ncnn", "onnxruntime")}
    told = try_all(root, "pools", tmp_path, {**models, "torch": small_checkpoint})
    assert [one for one in told if not one["fine"]] == []
    assert len(told) == 3 * 4
