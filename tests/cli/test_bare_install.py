"""The bare install: detects in a virtual environment without torch, onnx, lightning and onnxruntime."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import tomllib
import venv

import cv2
import numpy as np
import pytest

from nanodet import Detector
from nanodet.compare.tensors import generated_picture
from nanodet.export.export import FP16, FP32
from nanodet.runtime.pictures import write_picture

requirements = pytest.importorskip("packaging.requirements")

ABSENT = (
    "torch", "onnx", "onnxruntime", "onnxscript", "onnxsim", "pnnx", "pytorch_lightning",
    "pycocotools", "matplotlib", "tensorboard",
)  # fmt: skip


def needed(root):
    """Return the distributions that `pip install .` would bring, with what those need."""
    names = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    found = {}
    while names:
        wanted = requirements.Requirement(names.pop())
        if wanted.name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found[wanted.name] = importlib.metadata.distribution(wanted.name)
        names = [*names, *(found[wanted.name].requires or [])]
    return found


def python_of(folder):
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@pytest.fixture(scope="session")
def linked(root, tmp_path_factory):
    """The Python of a new environment into which this one's bare packages are linked."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = python_of(folder)
    asked = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    packages = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
    packages = type(folder)(packages.stdout.strip())
    (packages / "nanodet").symlink_to(root / "nanodet")
    for distribution in needed(root).values():
        for top in {file.parts[0] for file in distribution.files if file.parts[0] != ".."}:
            if top != "__pycache__":
                (packages / top).symlink_to(distribution.locate_file(top))
    return python


@pytest.fixture(scope="session")
def installed(root, tmp_path_factory):
    """The Python of a new environment after `pip install .`, from the package index."""
    folder = tmp_path_factory.mktemp("pip")
    source = folder / "source"
    shutil.copytree(root / "nanodet", source / "nanodet", ignore=shutil.ignore_patterns("__py*"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(root / name, source)
    venv.create(folder / "venv", with_pip=True, symlinks=os.name != "nt")
    python = python_of(folder / "venv")
    pip = [python, "-m", "pip", "install", "-q", "--retries", "1", "-c", "constraints.txt", "."]
    done = subprocess.run(pip, cwd=source, env=clean(), capture_output=True, text=True, check=False)
    if done.returncode and "No matching distribution found for setuptools" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    return python


def clean():
    """Return this process's environment without what would show other packages."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


def run(program, *arguments):
    return subprocess.run(
        [program, *map(str, arguments)], env=clean(), cwd=program.parent, capture_output=True,
        encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture(params=["linked", "installed"], scope="session")
def bare(request):
    """The Python of an environment with no more than the bare install."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def street(tmp_path_factory):
    """A picture file."""
    path = tmp_path_factory.mktemp("pictures") / "street.png"
    assert cv2.imwrite(str(path), generated_picture(3))
    return path


def test_what_is_not_needed_is_not_there(bare):
    code = (
        "import importlib.util, sys; import nanodet, numpy, cv2, ncnn, yaml, tqdm;"
        f"print([name for name in {ABSENT!r} if importlib.util.find_spec(name)])"
    )
    done = run(bare, "-c", code)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.fixture(
    params=[
        ["--help"],
        ["info", "MODEL"],
        ["detect", "MODEL", "PICTURE", "--score", "0.3", "--threads", "1", "--out", "OUT"],
        ["bench", "MODEL", "--runs", "3", "--seconds", "0.1"],
        ["verify", "MODEL", "HALF"],
        [
            "quantize",
            "MODEL",
            "--images",
            "PICTURES",
            "--method",
            "mse",
            "--layers",
            "all",
            "--out",
            "OUT",
        ],
        ["download"],
    ],
    ids=lambda words: words[0],
)
def words(request, exported_small, street, tmp_path):
    """One command line for every verb of the bare install."""
    for number in range(4):
        write_picture(tmp_path / "pictures" / f"{number}.png", generated_picture(number))
    real = {
        "MODEL": exported_small.files[FP32], "HALF": exported_small.files[FP16],
        "PICTURE": street, "PICTURES": tmp_path / "pictures", "OUT": tmp_path / "out",
    }  # fmt: skip
    return [real.get(word, word) for word in request.param]


def test_commands(bare, words):
    done = run(bare, "-m", "nanodet.cli.main", *words)
    assert done.returncode == 0 and done.stdout, done.stderr
    assert "Traceback" not in done.stderr and "error" not in done.stderr


def test_detections_are_those_of_the_full_install(bare, exported_small, street, tmp_path):
    model = exported_small.files[FP32]
    done = run(
        bare,
        "-m",
        "nanodet.cli.main",
        "detect",
        model,
        street,
        "--score",
        "0.3",
        "--threads",
        "1",
        "--out",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "detections.jsonl").read_text(encoding="utf-8"))
    code = (
        "import sys, json, cv2; from nanodet import Detector;"
        "found = Detector(sys.argv[1], score=0.3, threads=1)(cv2.imread(sys.argv[2]));"
        "print(json.dumps([found.xyxy.tolist(), found.class_id.tolist()]));"
        f"assert not set({ABSENT!r}) & set(sys.modules)"
    )
    done = run(bare, "-c", code, model, street)
    assert done.returncode == 0, done.stderr
    boxes, labels = json.loads(done.stdout)
    expected = Detector(model, score=0.3)(cv2.imread(str(street)))
    assert len(expected) > 3
    assert labels == expected.class_id.tolist()
    np.testing.assert_allclose(boxes, expected.xyxy, atol=0.01)
    assert [one["class_name"] for one in written["detections"]] == [
        expected.name_of(label) for label in expected.class_id
    ]
    np.testing.assert_allclose(
        [one["xyxy"] for one in written["detections"]], expected.xyxy, atol=0.02
    )


@pytest.mark.parametrize(
    ("suffix", "package"), [(".ckpt", "torch"), (".onnx", "onnxruntime")], ids=["ckpt", "onnx"]
)
def test_other_models_say_what_they_need(bare, exported_small, street, tmp_path, suffix, package):
    model = (tmp_path / "m").with_suffix(suffix)
    model.touch()
    done = run(bare, "-m", "nanodet.cli.main", "detect", model, street, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and str(model) in done.stderr and package in done.stderr


def test_the_installed_script(installed):
    done = run(installed.with_name("nanodet"), "--version")
    assert done.stdout.startswith("nanodet ")
