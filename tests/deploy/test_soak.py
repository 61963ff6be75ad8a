"""A day's work in one go: 20,000 images through both programs, memory and descriptors watched."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from nanodet.export.stages import FP32, SIMPLIFIED

PICTURES, KINDS = 20_000, 200

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc"),
]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A folder of 20,000 links to 200 images of many sizes and formats; some are damaged."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    kinds = tmp_path_factory.mktemp("kinds")
    for i in range(KINDS):
        width, height = rng.integers(1, 640, 2)
        blocks = rng.integers(0, 256, (8, 8, 3), np.uint8)
        pixels = cv2.resize(blocks, (int(width), int(height)), interpolation=cv2.INTER_NEAREST)
        path = kinds / f"{i}.{('jpg', 'png', 'bmp')[i % 3]}"
        assert cv2.imwrite(str(path), pixels)
        if i % 50 == 7:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    files = sorted(kinds.iterdir())
    for n in range(PICTURES):
        file = files[n % KINDS]
        (folder / f"{n:05}{file.suffix}").symlink_to(file)
    return folder


def watch(command):
    """Run a command; return its status and [(resident kB, descriptors)] over its time."""
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    seen = []
    while process.poll() is None:
        seen.append((_resident(process.pid), _descriptors(process.pid)))
        time.sleep(0.5)
    return process.returncode, [sample for sample in seen if None not in sample]


def _resident(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return None  # it has just ended


def _descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def is_flat(seen):
    """Compare the second quarter of the time with the last: 10,000 images lie between them."""
    quarter = len(seen) // 4
    early, late = seen[quarter : 2 * quarter], seen[-quarter:]
    memory, descriptors = zip(
        *(
            [statistics.median(column) for column in zip(*part, strict=True)]
            for part in (early, late)
        ),
        strict=True,
    )
    print(f"resident kB {memory[0]:.0f} -> {memory[1]:.0f}, descriptors {descriptors}")
    return memory[1] - memory[0] < 2048 and descriptors[0] == descriptors[1]


@pytest.mark.parametrize("engine", ["onnxruntime", "ncnn"])
def test_python(engine, exported_small, many, tmp_path):
    model = exported_small.files[FP32 if engine == "ncnn" else SIMPLIFIED]
    out = tmp_path / "out"
    status, seen = watch(
        [sys.executable, "-m", "nanodet", "detect", model, many, "--out", out, "--threads", "1"]
    )
    assert status == 1  # some images are damaged
    assert len(list(out.glob("*"))) > PICTURES * 0.9
    assert is_flat(seen)


@pytest.mark.parametrize("engine", ["openvino", "ncnn"])
def test_cpp(engine, exported_small, many, tmp_path, cpp_programs):
    if engine == "ncnn" and not os.environ.get("ncnn_DIR"):
        pytest.skip("no C++ library of ncnn: ncnn_DIR says where its ncnnConfig.cmake lies")
    model = exported_small.files[FP32 if engine == "ncnn" else SIMPLIFIED]
    out = tmp_path / "out"
    status, seen = watch([cpp_programs.detect, model, many, "--out", out, "--threads", "1"])
    assert status == 1
    assert len(list(out.glob("*"))) > PICTURES * 0.9
    assert is_flat(seen)
