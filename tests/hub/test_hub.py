"""Published models: from a server into the cache, and from there by name."""

import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import yaml
from lying_server import lying_server

from nanodet import Detector, NanodetError
from nanodet.data.read import read_annotations
from nanodet.evaluate.coco_metrics import check_pycocotools
from nanodet.files.files import sha256
from nanodet.hub.catalogue import CATALOGUE, COCO_NAMES
from nanodet.hub.models import fetch_model, is_cached, model_file

NAME = "nanodet-m_320"
NOWHERE = "http://127.0.0.1:9"
COMMAND = [sys.executable, "-c", "import sys; from nanodet.cli.main import main; sys.exit(main())"]


@pytest.fixture
def server(published, monkeypatch):
    with lying_server(published) as server:
        monkeypatch.setenv("NANODET_MIRROR", server.url + "/")
        yield server


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NANODET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def filled(published, tmp_path_factory):
    """A cache that holds all models."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch, lying_server(published) as server:
        patch.setenv("NANODET_MIRROR", server.url)
        patch.setenv("NANODET_HOME", str(folder))
        for name in CATALOGUE:
            fetch_model(name)
    return folder


@pytest.fixture
def offline(filled, monkeypatch):
    monkeypatch.setenv("NANODET_HOME", str(filled))
    monkeypatch.setenv("NANODET_MIRROR", NOWHERE)
    return filled


def start(*arguments):
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def nanodet(*arguments):
    process = start(*arguments)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return process.returncode, out, err


def files(folder):
    return sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file())


WHOLE = [
    f"{NAME}/{NAME}.bin", f"{NAME}/{NAME}.json", f"{NAME}/{NAME}.param",
    f"{NAME}/published/nanodet_m.bin", f"{NAME}/published/nanodet_m.param",
]  # fmt: skip


def test_names_are_those_of_the_config(root):
    config = yaml.safe_load((root / "config" / "nanodet-m.yml").read_text())
    assert list(COCO_NAMES) == config["class_names"]


@pytest.mark.parametrize("model", CATALOGUE.values(), ids=CATALOGUE)
def test_hashes_and_sizes_are_those_of_the_copies(model, shared):
    for file, suffix in ((model.param, ".param"), (model.weights, ".bin")):
        copy = shared / "weights" / f"{model.name}{suffix}"
        assert (file.size, file.sha256) == (copy.stat().st_size, sha256(copy))


def test_download_lists_fetches_and_is_found(server, home):
    code, out, err = nanodet("download")
    assert (code, err) == (0, "") and not home.exists()
    assert f"{NAME} " in out and " no " in out and "yes" not in out and str(home) in out
    code, out, err = nanodet("download", NAME)
    assert (code, out, err) == (0, f"{home / NAME / NAME}.param\n", "")
    assert files(home) == WHOLE
    assert sum(server.sent) == CATALOGUE[NAME].size
    code, out, _ = nanodet("download", NAME)
    assert code == 0 and sum(server.sent) == CATALOGUE[NAME].size  # nothing is fetched twice
    _, out, _ = nanodet("download")
    assert out.count("yes") == 1


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("size", [None, (416, 320)])
def test_detects_large_objects_in_real_pictures(name, size, offline, coco_mini):
    detector = Detector(name, size=size, threads=1)
    annotated = read_annotations("coco", coco_mini / "images", coco_mini / "annotations.json")
    hits = []
    for record in annotated.pictures[:20]:
        found = detector(cv2.imread(str(record.path)))
        for box, label in zip(record.boxes, record.labels, strict=True):
            if np.prod(box[2:] - box[:2]) > 96**2:
                same = found.xyxy[found.class_id == label]
                hits.append(any(iou(other, box) > 0.7 for other in same))
    assert len(hits) > 40 and np.mean(hits) > 0.4  # 0.5 to 0.6 were seen


def iou(a, b):
    overlap = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    area = sum(np.prod(np.subtract(box[2:], box[:2])) for box in (a, b))
    return overlap / (area - overlap)


def test_detector_fetches_what_the_cache_lacks(server, home):
    detector = Detector(NAME)
    assert detector.backend.path == f"{home / NAME / NAME}.param"
    assert detector.spec.source["nanodet_m.bin"] == CATALOGUE[NAME].weights.sha256
    assert files(home) == WHOLE


def test_verbs_take_the_name(offline, coco_mini, tmp_path):
    code, out, err = nanodet("info", NAME)
    assert (code, err) == (0, "") and "licence" in out and "nanodet-m_320.param" in out
    picture = coco_mini / "images" / "000000000139.jpg"
    code, out, err = nanodet("detect", NAME, picture, "--out", tmp_path / "out", "--threads", 1)
    assert (code, err) == (0, "") and " tv " in out


def test_a_file_of_that_name_comes_first(offline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert model_file(NAME) == str(offline / NAME / f"{NAME}.param")
    (tmp_path / NAME).write_text("mine")
    assert model_file(NAME) == NAME
    with pytest.raises(NanodetError, match="unknown kind of model"):
        Detector(NAME)


def test_offline_is_one_line_that_says_what_to_do(home, monkeypatch):
    monkeypatch.setenv("NANODET_MIRROR", NOWHERE)
    for verb in (["download", NAME], ["info", NAME]):
        code, _, err = nanodet(*verb)
        (line,) = err.splitlines()
        assert code == 1 and line.startswith(f"nanodet: error: {NAME}: cannot fetch {NOWHERE}/")
        assert "offline?" in line
        assert (
            f"put nanodet_m.param and nanodet_m.bin into {home / NAME / 'published'} yourself"
            in line
        )
    assert files(home) == []


def test_files_put_there_by_hand(home, published, monkeypatch):
    monkeypatch.setenv("NANODET_MIRROR", NOWHERE)
    (home / NAME / "published").mkdir(parents=True)
    for file in ("nanodet_m.param", "nanodet_m.bin"):
        place = f"/{NAME}/published/{file}"
        (home / place[1:]).write_bytes(published[place])
    assert Detector(NAME).spec.class_names[0] == "person"
    assert files(home) == WHOLE


@pytest.mark.parametrize("file", WHOLE)
@pytest.mark.parametrize("fault", ["changed", "gone"])
def test_damaged_cache_mends_itself(file, fault, server, home):
    fetch_model(NAME)
    path, before, sent = home / file, (home / file).read_bytes(), sum(server.sent)
    path.unlink() if fault == "gone" else path.write_bytes(before[:-9] + b"something")
    if "published" in file:
        (home / NAME / f"{NAME}.json").unlink()
    assert is_cached(CATALOGUE[NAME]) is False
    Detector(NAME)
    assert path.read_bytes() == before and is_cached(CATALOGUE[NAME])
    assert sum(server.sent) - sent == (len(before) if "published" in file else 0)


def test_killed_download_goes_on(server, home):
    server.restart("well", "stall")  # the .param comes, the .bin stops
    process = start("download", NAME)
    part = home / NAME / "published" / "nanodet_m.bin.part"
    end = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size > 9e5) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert files(home) == [
        f"{NAME}/published/{f}" for f in ("nanodet_m.bin.part", "nanodet_m.param")
    ]
    kept = part.stat().st_size
    server.restart("well")
    code, _, err = nanodet("download", NAME)
    assert (code, err) == (0, "") and files(home) == WHOLE
    assert server.ranges == [f"bytes={kept}-"]
    assert sum(server.sent) == CATALOGUE[NAME].weights.size - kept


@pytest.mark.parametrize(
    "way", ["wrong", "truncate", pytest.param("stall", marks=pytest.mark.slow), "failing"]
)
def test_lying_server_is_one_line(way, server, home):
    server.restart(way)
    code, out, err = nanodet("download", NAME, "--timeout", "1")
    (line,) = err.splitlines()
    assert (code, out) == (1, "") and f"{NAME}: cannot fetch {server.url}/" in line
    assert not [f for f in files(home) if not f.endswith(".part")]


@pytest.mark.parametrize("typed", ["nanodet-m", "nanodet_m_320", "nanodet-m-320"])
def test_nearest_name_is_told(typed, home):
    with pytest.raises(
        NanodetError, match=rf"{typed}: no such published model; did you mean .*m_320"
    ):
        fetch_model(typed)
    with pytest.raises(NanodetError, match=rf"{typed}: there is no such model file; did you mean"):
        Detector(typed)
    with pytest.raises(NanodetError, match=rf"x: no such published model; known: {NAME}"):
        fetch_model("x")
    assert not home.exists()


def test_download_needs_no_torch(offline):
    check = (
        "import sys; from nanodet import Detector; Detector(sys.argv[1]); "
        "print({'torch', 'onnx', 'onnxruntime', 'pycocotools', 'requests'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", check, NAME], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOGUE)
def test_ap_is_the_one_that_is_told(name, offline, coco_mini, tmp_path):
    check_pycocotools()
    code, out, _ = nanodet(
        "eval", name, "--images", coco_mini / "images",
        "--annotations", coco_mini / "annotations.json", "--threads", 1,
    )  # fmt: skip
    assert code == 0
    assert float(out.splitlines()[1].split()[0]) == pytest.approx(CATALOGUE[name].ap, abs=0.1)
