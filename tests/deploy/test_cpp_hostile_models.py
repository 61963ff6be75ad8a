"""Models from strangers in C++: what Python refuses is refused, and no program ends by a signal."""

import json
import subprocess

import hostile_models
import pytest
from detect_worker import Worker
from ncnn_check import SIZE, both
from strangers import check_agree, sets, some

from nanodet.bench.bench import bench
from nanodet.bench.plan import effort_of
from nanodet.bench.subject import fit_graph
from nanodet.bench.target.there import There, open_device
from nanodet.errors import NanodetError
from nanodet.export.stages import FP32
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.parameters import KINDS, NotKnown
from nanodet.ncnn_files.shapes import blob_shapes

FEW = 3  # each in a process of its own


@pytest.fixture(scope="module")
def model(exported_small):
    return hostile_models.Model.load(exported_small.files[FP32])


@pytest.mark.parametrize("count", [5, pytest.param(None, marks=pytest.mark.slow)])
def test_checks_agree(probe, model, tmp_path, count):
    param = tmp_path / "m.param"
    for sound, made in (
        (False, hostile_models.refused(model)),
        (True, hostile_models.same(model) | hostile_models.others(model)),
    ):
        for name, one in some(made, count).items():
            found, expected = both(probe, one.write(param))
            assert (found is None) == (expected is None) == sound, (name, found, expected)


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.close()


def answer_of(done):
    """Return what a program said as `strangers.check_agree` takes it."""
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[0])
    assert done.returncode == 1, f"{done.args}: {done.returncode}\n{done.stderr}"
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("nanodet-detect: error: "), done.stderr
    return {"error": lines[0].partition("error: ")[2]}


def graph_is_sound(param):
    """Tell whether Python times a graph without weights; None where ncnn alone can tell."""
    try:
        graph = Graph.load(param)
        channels = fit_graph(graph, SIZE, param)
        if not {layer.kind for layer in graph.layers} <= KINDS:
            return None
        blob_shapes(graph, (channels, *SIZE[::-1]), param)
    except NotKnown:  # in a NanoDet: a graph of others may have it
        return None
    except NanodetError:
        return False
    return True


@pytest.mark.parametrize("count", [FEW, pytest.param(None, marks=pytest.mark.slow)])
def test_bench(ncnn_option, sanitized, exported_small, tmp_path, count):
    """Models as `nanodet-detect` has them, and their graphs without weights."""
    target = ["cmake", "--build", sanitized, "--target", "nanodet-bench"]
    subprocess.run(target, check=True, capture_output=True)
    program = sanitized / "programs" / "bench" / "nanodet-bench"
    place = There(open_device("here"), program, str(tmp_path))
    for name, write in some(sets("ncnn", exported_small, tmp_path), count).items():
        model = write()
        words = [program, model, "--runs", "1", "--seconds", "0.1"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300)
        assert done.returncode in (0, 1), (name, done.returncode, done.stderr)
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, name
        try:
            bench([], [(model, SIZE)], effort=effort_of(runs=1, seconds=0.1), place=place)
            ran = True
        except NanodetError as error:
            assert "its process" not in str(error), (name, error)
            ran = False
        expected = graph_is_sound(model)
        assert expected is None or expected == ran, name


@pytest.mark.parametrize("engine", ["openvino", "ncnn"])
@pytest.mark.parametrize("count", [FEW, pytest.param(None, marks=pytest.mark.slow)])
def test_detect(request, exported_small, worker, picture, tmp_path, engine, count):
    if engine == "ncnn":
        request.getfixturevalue("ncnn_option")
    program = request.getfixturevalue("sanitized_detect")
    made = sets(engine, exported_small, tmp_path)
    # OpenVINO asks for that much and takes a no for an answer, but a sanitizer gives none
    made.pop("ConstantOfShape of 10 ** 13 numbers", None)
    for name, write in some(made, count).items():
        model = write()
        words = [program, model, picture, "--jsonl", "-", "--threads", "1"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300)
        expected = worker.detect(model, picture, None if engine == "ncnn" else engine)
        check_agree(name, expected, answer_of(done))


def test_layers_that_only_ncnn_knows(
    ncnn_option, sanitized_detect, model, worker, picture, tmp_path
):
    for one, words in hostile_models.other_kinds(model):
        param = one.write(tmp_path / "m.param")
        command = [sanitized_detect, param, picture, "--jsonl", "-", "--threads", "1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        answer = answer_of(done)
        check_agree(words, worker.detect(param, picture), answer)
        assert ("error" in answer) == (words is not None) and (words or "") in answer.get(
            "error", ""
        )
