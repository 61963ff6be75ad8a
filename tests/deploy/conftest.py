"""Builds of deploy/cpp that the tests of this room run, and what they are run on.

They need g++, CMake and nlohmann-json; those for boards aarch64-linux-gnu-g++ and qemu-aarch64 too.
``NANODET_CPP_BUILD=DIR`` keeps the builds there for the next run. ncnn's C++ library comes from no package:
``ncnn_DIR`` says where the folder of its ncnnConfig.cmake lies, else its tests skip.
"""

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from needs import need
from probe import Probe

from nanodet.export.stages import FP32, SIMPLIFIED

# compiling takes longer than what is run here
QUICK = ["-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_CXX_FLAGS_RELEASE=-O1"]


@pytest.fixture(scope="session")
def cpp_build(root, tmp_path_factory):
    """Return a function that builds targets of a preset of deploy/cpp and returns its folder."""

    def build(preset, targets, *options):
        kept = os.environ.get("NANODET_CPP_BUILD")
        folder = Path(kept) / preset if kept else tmp_path_factory.mktemp(f"cpp-{preset}")
        source = root / "deploy" / "cpp"
        _run(["cmake", "--preset", preset, "-B", folder, *options], cwd=source)
        jobs = str(os.cpu_count() or 1)
        _run(["cmake", "--build", folder, "--parallel", jobs, "--target", *targets], cwd=source)
        return folder

    return build


def _run(command, cwd):
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.fixture(scope="session")
def openvino_option():
    """The CMake option that says where pip's OpenVINO lies; it ships headers and CMake files."""
    openvino = pytest.importorskip("openvino", reason="needs openvino: pip install openvino")
    return f"-DOpenVINO_DIR={Path(openvino.__file__).parent / 'cmake'}"


@pytest.fixture(scope="session")
def ncnn_option():
    """The CMake option that says where ncnn's C++ library lies."""
    if not os.environ.get("ncnn_DIR"):
        pytest.skip("no C++ library of ncnn: ncnn_DIR says where its ncnnConfig.cmake lies")
    return f"-Dncnn_DIR={os.environ['ncnn_DIR']}"


@pytest.fixture(scope="session")
def cpp_programs(cpp_build, openvino_option):
    """Programs of a Release build with OpenVINO, and ncnn if it is there: ``detect``, ``bench``."""
    need("cmake", "g++")
    ncnn = "ON" if os.environ.get("ncnn_DIR") else "OFF"
    options = [openvino_option, f"-DNANODET_NCNN={ncnn}", *QUICK]
    folder = cpp_build("native", ["nanodet-detect", "nanodet-bench"], *options)
    programs = {
        name: folder / "programs" / name / f"nanodet-{name}" for name in ("detect", "bench")
    }
    return SimpleNamespace(**programs)


@pytest.fixture(scope="session")
def start_bench(cpp_programs):
    """Return a function that starts the program."""

    def start(*arguments, **environment):
        return subprocess.Popen(
            list(map(str, [cpp_programs.bench, *arguments])), env={**os.environ, **environment},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    return start


@pytest.fixture(scope="session")
def run_bench(start_bench):
    """Return a function that runs the program and returns (status, stdout, stderr)."""

    def bench(*arguments, **environment):
        process = start_bench(*arguments, **environment)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    return bench


@pytest.fixture(scope="session")
def sanitized(cpp_build, openvino_option):
    """Folder of a build with AddressSanitizer and UndefinedBehaviorSanitizer, OpenVINO in it.

    ncnn is in it where `cpp_programs` has it.
    """
    need("cmake", "g++")
    ncnn = "ON" if os.environ.get("ncnn_DIR") else "OFF"
    quick = ["-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_CXX_FLAGS_DEBUG=-O0 -g1"]
    options = [openvino_option, f"-DNANODET_NCNN={ncnn}", *quick]
    return cpp_build("asan", ["nanodet-detect", "nanodet-probe"], *options)


@pytest.fixture
def sanitized_detect(sanitized, tmp_path, monkeypatch):
    """nanodet-detect with sanitizers: their reports would be more than one line."""
    # the threads of OpenVINO's TBB may meet the end of the process half registered
    (tmp_path / "lsan").write_text("leak:tbb::detail::r1::observe\n")
    monkeypatch.setenv("LSAN_OPTIONS", f"suppressions={tmp_path / 'lsan'}:print_suppressions=0")
    return sanitized / "programs" / "detect" / "nanodet-detect"


@pytest.fixture(scope="session", params=["sanitized", "aarch64"])
def probe(request):
    """A running `probe.Probe`: with the sanitizers, and cross-compiled in an emulated ARM board."""
    if request.param == "sanitized":
        command = [request.getfixturevalue("sanitized") / "tests" / "nanodet-probe"]
    else:
        need("cmake", "aarch64-linux-gnu-g++", "qemu-aarch64")
        build = request.getfixturevalue("cpp_build")
        folder = build(
            "aarch64",
            ["nanodet-probe"],
            "-DNANODET_TESTS=ON",
            "-DNANODET_PROGRAMS=OFF",
            "-DNANODET_NCNN=OFF",
            *QUICK,
        )
        command = ["qemu-aarch64", folder / "tests" / "nanodet-probe"]
    with Probe(command) as running:
        yield running


@pytest.fixture(scope="session")
def real_models(exported_real):
    """The real NanoDet-m, by engine: an .onnx and a .param file."""
    return {
        "openvino": exported_real.files[SIMPLIFIED], "ncnn": exported_real.files[FP32]
    }  # fmt: skip


@pytest.fixture(scope="session")
def real_model(real_models):
    """The real NanoDet-m as an .onnx file."""
    return real_models["openvino"]


@pytest.fixture
def small(exported_small, tmp_path):
    """The small ONNX model, copied so that it may be damaged."""
    return shutil.copy(exported_small.files[SIMPLIFIED], tmp_path / "small.onnx")


@pytest.fixture
def picture(tmp_path):
    """A PNG of noise, 64 x 48, alone in a folder."""
    path = tmp_path / "in" / "a b.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
    return path
