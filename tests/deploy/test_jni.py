"""The app's native layer finds on a desktop JVM what Python finds, and refuses what is wrong."""

import dataclasses
import json
import os
import shutil
import subprocess
from contextlib import closing

import cv2
import maps_model
import numpy as np
import pytest
from detect_worker import Worker
from needs import need
from strangers import check_agree, sets, some

from nanodet.drawing.draw import class_colour
from nanodet.evaluate.model_specs import change_specs
from nanodet.export.stages import SIMPLIFIED
from nanodet.runtime.detector import Detector

# the app's classes that know nothing of Android
PLAIN = ("ViewGeometry", "StreamSizes", "ClassColours", "FrameRate", "Model", "ModelStore")
TURNS = {
    0: None,
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


@pytest.fixture(scope="session")
def classes(root, tmp_path_factory):
    """Folder of the compiled classes: those of `org.nanodet`, `PLAIN`, and the desktop programs."""
    need("javac", "java")
    folder = tmp_path_factory.mktemp("classes")
    app = root / "deploy" / "android" / "app" / "src" / "main" / "java" / "org" / "nanodet"
    sources = [
        *app.glob("*.java"),
        *(app / "app" / f"{name}.java" for name in PLAIN),
        *(root / "deploy" / "android" / "desktop").rglob("*.java"),
    ]
    # no framework jar: none of these may need Android
    finish("javac", "-Xlint:all,-options", "-Werror", "--release", "8", "-d", folder, *sources)
    return folder


@pytest.fixture(scope="session")
def library(root, openvino_option, tmp_path_factory):
    """Folder of the native library with the OpenVINO engine."""
    need("cmake", "g++", "javac")
    folder = tmp_path_factory.mktemp("jni")
    source = root / "deploy" / "android" / "app" / "src" / "main" / "cpp"
    # -O1: compiling takes longer than what is run here
    quick = ["-DCMAKE_CXX_FLAGS_RELEASE=-O1", "-DCMAKE_UNITY_BUILD=ON"]
    where = os.environ.get("ncnn_DIR")
    ncnn = [f"-Dncnn_DIR={where}"] if where else ["-DNANODET_NCNN=OFF"]
    options = [*ncnn, *quick, openvino_option]
    finish("cmake", "-S", source, "-B", folder, *options)
    finish("cmake", "--build", folder, "--parallel", os.cpu_count() or 1)
    return folder


@pytest.fixture(scope="session")
def java(classes, library):
    """Return a function that runs one of the programs and returns what it prints."""

    def run(program, *words, text=""):
        # what the library hands to Java is checked by the JVM, which reports on standard output
        said = finish(
            "java", "-Xcheck:jni", f"-Djava.library.path={library}", "-cp", classes,
            f"org.nanodet.{program}", *words, text=text,
        )  # fmt: skip
        assert "WARNING" not in said
        return said

    return run


def finish(*command, text=""):
    """Run a command to its good end; return its standard output."""
    done = subprocess.run(
        list(map(str, command)), input=text, capture_output=True, encoding="utf-8", timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def detect(java, model, requests):
    """Return the detections that the native layer finds, one list per request."""
    lines = "".join("\t".join(map(str, request)) + "\n" for request in requests)
    said = java("desktop.Detect", model, 1, "--uncertainty", text=lines)
    return [json.loads(line) for line in said.splitlines()]


def same(found, expected, picture):
    """Assert that both found the same; return how many."""
    assert (found["width"], found["height"]) == picture.shape[1::-1]
    found = found["detections"]
    assert [d["class_id"] for d in found] == expected.class_id.tolist()
    assert [d["class_name"] for d in found] == [expected.class_names[i] for i in expected.class_id]
    if found:
        confidence = [d["confidence"] for d in found]
        np.testing.assert_allclose(confidence, expected.confidence, atol=1e-4)
        np.testing.assert_allclose([d["xyxy"] for d in found], expected.xyxy, atol=0.02)
        np.testing.assert_allclose([d["edge_std"] for d in found], expected.edge_std, atol=0.02)
    return len(found)


def test_real_pictures(java, real_model, coco_mini, tmp_path):
    detector = Detector(real_model, threads=1, engine="openvino")
    pictures, requests = [], []
    for file in sorted((coco_mini / "images").iterdir())[:12]:
        pictures.append(cv2.imread(str(file)))
        path = tmp_path / f"{file.stem}.ppm"
        cv2.imwrite(str(path), pictures[-1])
        requests.append(("array", path, "BGR"))
    answers = detect(java, real_model, requests)
    pairs = zip(answers, pictures, strict=True)
    assert sum(same(found, detector(picture), picture) for found, picture in pairs) > 40


@pytest.mark.parametrize("layout", ["maps", "rows"])
def test_a_score_for_each_class(java, real_model, coco_mini, tmp_path, layout):
    """The model's own, from its JSON: Java has no option for them."""
    if layout == "maps":
        spec = dataclasses.replace(
            maps_model.SPEC, class_scores=(0.2, 0.9, 0.5), per_picture=10_000
        )
        model, picture = maps_model.write_onnx(tmp_path / "m.onnx", spec), drawn(288, 192)
    else:
        model = shutil.copy(real_model, tmp_path / "m.onnx")
        scores = np.random.default_rng(0).uniform(0.1, 0.5, len(Detector(model).class_names))
        change_specs(model, "--wish", {"class_scores": tuple(scores.tolist())})
        picture = cv2.imread(str(coco_mini / "images" / "000000005001.jpg"))
    path = tmp_path / "p.ppm"
    cv2.imwrite(str(path), picture)
    expected = Detector(model, threads=1, engine="openvino")(picture)
    plain = Detector(model, threads=1, engine="openvino", score=0.1)(picture)
    (found,) = detect(java, model, [("array", path, "BGR")])
    assert 2 < same(found, expected, picture) < len(plain)


@pytest.fixture
def small(exported_small):
    """The small model and, in Python, its detector."""
    model = exported_small.files[SIMPLIFIED]
    return model, Detector(model, threads=1, engine="openvino")


def drawn(width, height):
    """An image with edges and colours."""
    random = np.random.default_rng(width)
    picture = cv2.resize(random.integers(0, 256, (6, 8, 3), np.uint8), (width, height))
    cv2.circle(picture, (width // 3, height // 2), height // 4, (20, 200, 90), -1)
    return picture


@pytest.mark.parametrize("form", ["BGR", "RGB", "BGRA", "RGBA", "GRAY"])
def test_pixel_formats(java, small, tmp_path, form):
    model, detector = small
    picture = drawn(211, 120)
    if form == "GRAY":
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    path = tmp_path / "p.ppm"
    cv2.imwrite(str(path), picture)
    answers = detect(java, model, [("array", path, form), ("buffer", path, form)])
    for found in answers:
        assert same(found, detector(picture), picture) > 0


def to_bgr(y, u, v):
    """BGR of a full-range BT.601 frame (JFIF 1.02), in 1/65536 grey levels and rounded.

    Args:
        y: uint8 (rows, columns).
        u, v: uint8 at half size, rounded up.
    """
    rows, columns = y.shape
    u, v = (c.repeat(2, 0).repeat(2, 1)[:rows, :columns].astype(int) - 128 for c in (u, v))
    chroma = [116130 * u, -22554 * u - 46802 * v, 91881 * v]
    planes = [(65536 * y.astype(int) + one + 32768) >> 16 for one in chroma]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (475, 331)])
def test_camera_frames(java, real_model, coco_mini, tmp_path, width, height):
    """Planes apart and in one another, each turned four ways; sides of odd length too."""
    detector = Detector(real_model, threads=1, engine="openvino")
    picture = cv2.resize(
        cv2.imread(str(coco_mini / "images" / "000000005001.jpg")), (width, height)
    )
    y, cr, cb = cv2.split(cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb))
    u, v = (cv2.resize(c, ((width + 1) // 2, (height + 1) // 2)) for c in (cb, cr))
    layouts = {
        "i420": (y, u, v),
        "nv12": (y, np.stack([u, v], -1)),
        "nv21": (y, np.stack([v, u], -1)),
    }
    turned, requests = [], []
    for layout, planes in layouts.items():
        path = tmp_path / layout
        path.write_bytes(b"".join(plane.tobytes() for plane in planes))
        for turn, code in TURNS.items():
            bgr = to_bgr(y, u, v)
            turned.append(bgr if code is None else cv2.rotate(bgr, code))
            requests.append(("yuv", path, width, height, layout, turn))
    expected = [detector(one) for one in turned]
    best = {tuple(one.xyxy[0].round()) for one in expected if len(one)}
    assert len(best) == len(TURNS), "a wrong turn would show"
    for found, one, picture in zip(
        detect(java, real_model, requests), expected, turned, strict=True
    ):
        same(found, one, picture)


def test_nonsense_is_refused(java, small):
    """Wrong buffers, strides, turns and models; closed detectors; many threads; made-up handles."""
    assert "all native checks passed" in java("desktop.NativeChecks", small[0])


@pytest.fixture
def ask_java(classes, library, small):
    """A function that lets one JVM detect in a PPM file with any model; it must live on."""
    words = ["java", "-Xcheck:jni", f"-Djava.library.path={library}", "-cp", classes]
    process = subprocess.Popen(
        [*map(str, words), "org.nanodet.desktop.Detect", small[0], "1"], encoding="utf-8",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"LC_ALL": "C.UTF-8"},
    )  # fmt: skip

    def ask(model, picture):
        print("load", picture, model, sep="\t", file=process.stdin, flush=True)
        line = process.stdout.readline()
        assert line, f"the JVM ended with {process.wait()}"
        return json.loads(line)

    yield ask
    process.stdin.close()
    assert process.wait(60) == 0
    process.stdout.close()


@pytest.mark.parametrize("engine", ["openvino", "ncnn"])
@pytest.mark.parametrize("count", [6, pytest.param(None, marks=pytest.mark.slow)])
def test_models_of_strangers(request, ask_java, exported_small, tmp_path, engine, count):
    """Refused where Python refuses them, in the same JVM, which goes on."""
    if engine == "ncnn":
        request.getfixturevalue("ncnn_option")
    picture = tmp_path / "p.ppm"
    cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
    with closing(Worker()) as worker:
        for name, write in some(sets(engine, exported_small, tmp_path), count).items():
            model = write()
            expected = worker.detect(model, picture, None if engine == "ncnn" else engine)
            check_agree(name, expected, ask_java(model, picture))


def test_a_damaged_model_is_one_line(classes, library, small, tmp_path):
    """The message is the library's own, through the exception."""
    model = tmp_path / "schön \U0001f600.onnx"
    model.write_bytes(small[0].read_bytes()[:1000])
    done = subprocess.run(
        ["java", "-Dfile.encoding=UTF-8", "-Dsun.jnu.encoding=UTF-8", "-Dstderr.encoding=UTF-8",
         f"-Djava.library.path={library}", "-cp", classes, "org.nanodet.desktop.Detect", model],
        capture_output=True, encoding="utf-8", timeout=60, env=os.environ | {"LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 1
    first, *_ = done.stderr.splitlines()
    assert first.startswith(
        f'Exception in thread "main" org.nanodet.NanodetException: {model}: not a usable ONNX model'
    )


def test_geometry_sizes_and_copies_of_models(classes, tmp_path):
    files = f"-Djava.io.tmpdir={tmp_path}"
    said = finish("java", files, "-cp", classes, "org.nanodet.app.AppChecks")
    assert "all app checks passed" in said


def test_colours_are_those_of_python(classes):
    said = finish("java", "-cp", classes, "org.nanodet.app.AppChecks", "--colours", 300)
    expected = ["ff{2:02x}{1:02x}{0:02x}".format(*class_colour(i)) for i in range(300)]
    assert said.split() == expected
