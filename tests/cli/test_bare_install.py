"""The bare install: detects in a virtual environment without torch, onnx, lightning and onnxruntime."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv

import cv2
import numpy as np
import pytest

from nanodet import Detector
from nanodet.compare.tensors import generated_picture
from nanodet.detect.window import IMPORT_PACKAGES
from nanodet.export.stages import FP16, FP32
from nanodet.images.image_file import write_picture

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
    python, packages = environment(tmp_path_factory.mktemp("bare"), needed(root).values())
    (packages / "nanodet").symlink_to(root / "nanodet")
    return python


def environment(folder, distributions):
    """Return Python and package folder of a new environment that links to these distributions."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = python_of(folder)
    asked = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    packages = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
    packages = type(folder)(packages.stdout.strip())
    for distribution in distributions:
        for top in {file.parts[0] for file in distribution.files if file.parts[0] != ".."}:
            if top != "__pycache__":
                (packages / top).symlink_to(distribution.locate_file(top))
    return python, packages


@pytest.fixture(scope="session")
def installed(root, tmp_path_factory):
    """The Python of a new environment after `pip install .`, from the package index."""
    folder = tmp_path_factory.mktemp("pip")
    source = clone(root, folder / "source")
    venv.create(folder / "venv", with_pip=True, symlinks=os.name != "nt")
    python = python_of(folder / "venv")
    pip = [python, "-m", "pip", "install", "-q", "--retries", "1", "-c", "constraints.txt", "."]
    done = subprocess.run(pip, cwd=source, env=clean(), capture_output=True, text=True, check=False)
    if done.returncode and "No matching distribution found for setuptools" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    return python


def clone(root, folder):
    """Return ``folder`` with a copy of what an installation reads."""
    for name in ("nanodet", "config"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__py*"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(root / name, folder)
    return folder


def clean():
    """Return this process's environment without what would show other packages."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


def run(program, *arguments, folder=None):
    return subprocess.run(
        [program, *map(str, arguments)], env=clean(), cwd=folder or program.parent,
        capture_output=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture(
    params=["linked", pytest.param("installed", marks=pytest.mark.slow)], scope="session"
)
def bare(request):
    """The Python of an environment with no more than the bare install."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def street(tmp_path_factory):
    """An image file."""
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


@pytest.fixture(scope="session")
def beside_a_clone(root, tmp_path_factory):
    """The Python of an environment in which ``<its folder>/nanodet`` is an editable install."""
    folder = tmp_path_factory.mktemp("projects")
    pytest_and_more = [
        importlib.metadata.distribution(name)
        for name in ("setuptools", "pytest", "pluggy", "iniconfig", "packaging", "pygments")
    ]
    python, _ = environment(folder, [*needed(root).values(), *pytest_and_more])
    clone(root, folder / "nanodet")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "-e", folder / "nanodet"], env=clean(), cwd=folder,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.parametrize(
    "words",
    [
        ["-c", "from nanodet import Detector"],
        ["script.py"],
        ["-m", "nanodet", "--version"],
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_own.py"],
    ],
    ids=lambda words: words[-1].split()[0],
)
def test_a_clone_of_the_same_name_does_not_hide_the_package(beside_a_clone, words):
    folder = beside_a_clone.parents[1]
    (folder / "script.py").write_text("from nanodet import Detector\n")
    (folder / "test_own.py").write_text("def test_own():\n    from nanodet import Detector\n")
    done = run(beside_a_clone, *words, folder=folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_a_missing_system_library_is_one_line(root, tmp_path):
    """As on a bare Debian; whatever is typed first."""
    (tmp_path / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory',"
        "name='cv2')"
    )
    env = clean() | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"}
    wanted = (
        "OpenCV cannot be imported: the library libGL.so.1 is missing; on Debian and Ubuntu: "
        "apt install libgl1 libglib2.0-0\n"
    )

    def said(*words):
        done = subprocess.run(
            [sys.executable, *words], env=env, cwd=tmp_path, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        return done.stderr

    for words in (["info", "m.param"], ["detect", "m.onnx", "a.jpg", "--fit", "own"], ["download"]):
        assert said("-m", "nanodet", *words) == f"nanodet: error: {wanted}"
    for line in ("from nanodet import Detector", "from tools.inference import Predictor"):
        assert said("-c", line).endswith(f"ImportError: {wanted}")


@pytest.mark.parametrize("page", ["README.md", "docs/raspberry-pi.md"])
def test_the_set_up_installs_what_opencv_wants(root, page):
    text = (root / page).read_text(encoding="utf-8")
    assert f"apt install -y git python3-venv {IMPORT_PACKAGES}\n" in text


@pytest.mark.slow
def test_the_installed_script(installed):
    done = run(installed.with_name("nanodet"), "--version")
    assert done.stdout.startswith("nanodet ")
