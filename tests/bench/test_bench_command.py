"""`nanodet bench` as a real process: what it prints and writes, what it refuses, how it ends."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from foreign_files import write_ncnn

from nanodet.cli.main import main
from nanodet.ncnn_files.graph import Graph, Layer

NANODET = [sys.executable, "-c", "import sys; from nanodet.cli.main import main; sys.exit(main())"]
QUICK = ["--runs", 5, "--seconds", 0.2]
STATISTICS = {"min", "median", "mean", "p90", "p99", "max"}


def start(*arguments, **environment):
    return subprocess.Popen(
        [*NANODET, "bench", *map(str, arguments)], env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def bench(*arguments, **environment):
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def refusal(*arguments, **environment):
    status, out, err = bench(*arguments, **environment)
    assert (status, out) == (1, "")
    return err.splitlines()[-1].removeprefix("nanodet: error: ")


@pytest.fixture(scope="module")
def without_extras(tmp_path_factory):
    """A folder in which the packages of the extras cannot be imported; for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("bare")
    for name in ("torch", "onnx", "onnxruntime", "pytorch_lightning", "matplotlib", "pycocotools"):
        (folder / f"{name}.py").write_text(f"raise ImportError('no {name} here', name='{name}')\n")
    return folder


@pytest.fixture(scope="module")
def environment(root, without_extras):
    path = os.pathsep.join([str(without_extras), str(root), os.environ.get("PYTHONPATH", "")])
    return {"PYTHONPATH": path}


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A small graph that was written for 64 x 32 images, with a layer that makes boxes."""
    path = tmp_path_factory.mktemp("graph") / "bare.param"
    path.write_text(
        "7767517\n4 4\n"
        "Input in 0 1 data -23330=4,3,64,32,3 0=64 1=32 2=3\n"
        "Convolution conv 1 1 data a -23330=4,3,32,16,8 0=8 1=3 3=2 4=1 5=1 6=216 9=1\n"
        "Convolution last 1 1 a b -23330=4,3,32,16,255 0=255 1=1 5=1 6=2040\n"
        "Yolov3DetectionOutput boxes 1 1 b out 0=80 1=3 2=0.3 -23304=6,9.,9.,9.,9.,9.,9. "
        "-23305=3,1065353216,1073741824,1077936128 -23306=1,8.0\n"
    )
    return path


@pytest.mark.slow
def test_the_bare_install_times_models_and_graphs(exported_small, graph, environment, tmp_path):
    param, half = (exported_small.files[k] for k in ("ncnn fp32", "ncnn fp16"))
    out = tmp_path / "out.json"
    status, text, err = bench(
        param, f"{half}@96x64", "--graph", graph, "--size", "64x32", "--graph", graph,
        "--size", "320x320", "--precision", "fp32,bf16", *QUICK, "--cores", "0", "--json", out,
        **environment,
    )  # fmt: skip
    assert status == 0, err
    report = json.loads(out.read_text())
    assert report["format"] == 1
    assert report["cores"] == {"wanted": "0", "ids": [0]}
    assert report["effort"] == {
        "runs": 5, "seconds": 0.2, "name": "quick", "warmup_runs": 10, "warmup_s": 0.2,
    }  # fmt: skip
    assert report["machine"]["cores"] and report["machine"]["memory_mb"] > 100
    assert report["before"].keys() == report["after"].keys()
    assert report["throttling"]["flagged"] == bool(report["throttling"]["reasons"])
    results = report["results"]
    assert [(r["name"], r["input"], r["precision"]) for r in results] == [
        (name, size, precision)
        for name, size in (
            (Path(param).stem, [160, 96]), (Path(half).stem, [96, 64]),
            ("bare", [64, 32]), ("bare", [320, 320]),
        )
        for precision in ("fp32", "bf16")
    ]  # fmt: skip
    for result in results:
        assert result["error"] is None
        assert result["cores"] == [0]  # told by the process itself
        assert result["runs"] >= 5 and result["seconds"] >= 0.2 and result["warmup_runs"] >= 10
        assert result["engine"].startswith("ncnn ")
        assert result["options"]["use_bf16_storage"] == (result["precision"] == "bf16")
        assert result["options"]["threads"] == 1
        assert 10 < result["memory_mb"]["before_load"] <= result["memory_mb"]["peak"] < 2000
        assert result["load_ms"] > 0
        assert all(set(times) == STATISTICS for times in result["times_us"].values())
        for name, digest in result["files"].items():
            file = Path(result["path"]).with_name(name)
            assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    model, bare = results[0], results[4]
    assert list(model["times_us"]) == ["preprocess", "network", "decode", "end_to_end"]
    assert list(bare["times_us"]) == ["network"]
    assert len(model["files"]) == 3 and len(bare["files"]) == 1
    assert bare["left_out"] == ["boxes"] and bare["weights"] == "zero"
    assert model["network_ratio"] == {"median": 1.0, "lower": 1.0, "upper": 1.0}
    # 50 times the pixels; the machine may be busy
    assert results[6]["network_ratio"]["median"] > 2 * bare["network_ratio"]["median"]
    call = f"taskset -c 0 benchncnn 5 1 0 -1 0 param={graph} 'shape=[320,320,3]'"
    assert results[6]["benchncnn"] == call and f"benchncnn   {call}\n" in text
    assert "NOT FOR PUBLICATION" in text
    assert "generated, 640 x 480" in text and report["picture"] == "generated, 640 x 480"


def test_all_engines_side_by_side_and_a_plot(exported_small, small_checkpoint, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("onnxruntime")
    picture, png, out = tmp_path / "p.png", tmp_path / "plot.png", tmp_path / "out.json"
    assert cv2.imwrite(str(picture), np.full((40, 50, 3), 90, np.uint8))
    models = [
        exported_small.files["ncnn fp32"],
        exported_small.files["onnx simplified"],
        small_checkpoint,
    ]
    status, text, err = bench(*models, *QUICK, "--image", picture, "--plot", png, "--json", out)
    assert status == 0, err
    report = json.loads(out.read_text())
    assert [r["engine"].split()[0] for r in report["results"]] == ["ncnn", "onnxruntime", "torch"]
    assert all(r["options"]["threads"] == 1 for r in report["results"])
    assert all(r["input"] == [160, 96] for r in report["results"])
    assert len({r["detections"] for r in report["results"]}) == 1  # the same boxes
    assert report["picture"] == f"{picture}, 50 x 40"
    assert cv2.imread(str(png)).shape[1] > 600
    assert text.count("160x96") == 9  # three tables


def test_the_graphs_of_peers(shared, environment, tmp_path):
    peers, out = shared / "peers", tmp_path / "out.json"
    status, text, err = bench(
        "--graph", peers / "nanodet_m.param", "--size", "416x416",
        "--graph", peers / "yolov4-tiny.param", "--size", "416x416", *QUICK, "--json", out,
        **environment,
    )  # fmt: skip
    assert status == 0, err
    ours, theirs = json.loads(out.read_text())["results"]
    assert (ours["left_out"], theirs["left_out"]) == ([], ["detection_out"])
    assert theirs["network_ratio"]["median"] > 1.2  # measured: 2.5
    assert theirs["memory_mb"]["peak"] > ours["memory_mb"]["peak"] + 50  # 24 MB of weights, packed
    assert "left out    yolov4-tiny: detection_out" in text


def test_refusals_come_before_the_run(exported_small, graph, tmp_path, capsys):
    param = str(exported_small.files["ncnn fp32"])

    def refused(*arguments):
        assert main(["bench", *map(str, arguments)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert "no.param: there is no such model file" in refused("no.param")
    assert "1 graphs and 0 sizes" in refused("--graph", graph)
    fixed = write_ncnn(param, tmp_path, "six", fixed=True)
    line = refused("--graph", fixed, "--size", "192x96")
    assert line.endswith("was made for 160x96 alone, as what it resizes to says, not for 192x96")
    assert "precision: must be one of" in refused(param, "--precision", "fp32,int4")
    assert "no core 999" in refused(param, "--cores", "999")
    assert "is a folder" in refused(param, "--json", tmp_path)
    assert "cannot make this folder" in refused(param, "--plot", graph / "x.png")
    assert "cannot read this image" in refused(param, "--image", "no.jpg")
    assert "--target here: --program PATH" in refused(param, "--target", "here")
    for option, value in (("--threads", "0"), ("--threads", "1,x"), ("--seconds", "nan")):
        with pytest.raises(SystemExit, match="2"):
            main(["bench", param, option, value])
        assert f"argument {option}" in capsys.readouterr().err


def test_what_is_missing_or_unknown_is_named(exported_small, graph, environment, tmp_path):
    onnx, png = exported_small.files["onnx simplified"], tmp_path / "x.png"
    strange = _other(graph, "Convolution", "Strange", tmp_path)
    assert "--plot: needs matplotlib" in refusal(onnx, "--plot", png, **environment)
    assert "needs onnxruntime" in refusal(onnx, *QUICK, **environment)
    line = refusal("--graph", strange, "--size", "64x32", *QUICK)
    assert line == f"{strange}: layer conv: ncnn has no layer Strange"
    assert not png.exists()


def _other(graph, kind, other, folder):
    path = folder / "other.param"
    path.write_text(graph.read_text().replace(kind, other, 1))
    return path


def test_a_damaged_model_is_one_line_and_nothing_is_written(exported_small, tmp_path):
    param = Path(exported_small.files["ncnn fp32"])
    for suffix in (".param", ".bin", ".json"):
        (tmp_path / f"{param.stem}{suffix}").write_bytes(param.with_suffix(suffix).read_bytes())
    (tmp_path / f"{param.stem}.bin").write_bytes(b"short")
    copy, out = tmp_path / param.name, tmp_path / "out.json"
    status, text, err = bench(param, copy, *QUICK, "--json", out)
    assert (status, text) == (1, "")
    assert f"{param.stem}.bin" in err.splitlines()[-1] and not out.exists()


def test_a_model_that_takes_several_pictures_is_not_timed_as_one(small_batch):
    assert refusal(small_batch, *QUICK) == (
        f"{small_batch}: takes 3 images at once, and what is timed is one: export without --batch"
    )


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


needs_proc = pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="needs Linux's procfs"
)


@pytest.mark.slow
@needs_proc
def test_a_model_that_dies_does_not_take_the_others_along(graph, tmp_path):
    out = tmp_path / "out.json"
    sizes = ("--graph", graph, "--size", "64x32", "--graph", graph, "--size", "96x64")
    process = start(*sizes, "--runs", 5, "--seconds", 2, "--json", out)
    dying = wait_for(lambda: (c := children(process.pid)) and len(c) == 2 and c)[1]
    wait_for(lambda: cpu_seconds(dying) > 0.8)  # loaded
    os.kill(dying, signal.SIGKILL)
    text, err = process.communicate(timeout=60)
    line = "bare 96x64, 1 thread, fp32: its process ended by SIGKILL while running it"
    assert process.returncode == 1
    assert err.splitlines()[-1] == f"nanodet: error: {line}"
    alive, dead = json.loads(out.read_text())["results"]
    assert alive["error"] is None and alive["seconds"] >= 2
    assert dead["error"] == line and f"FAILED      {line}" in text


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_goes_on_when_it_is_stopped(graph, tmp_path, number):
    out = tmp_path / "out.json"
    process = start("--graph", graph, "--size", "64x32", "--seconds", 50, "--json", out)
    (child,) = wait_for(lambda: children(process.pid))
    wait_for(lambda: cpu_seconds(child) > 0.5)
    # Ctrl-C reaches the whole group; a kill only the parent
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, err = process.communicate(timeout=20)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert err.splitlines()[-1] == "nanodet: stopped"
    wait_for(lambda: not Path(f"/proc/{child}").exists() or _is_zombie(child), 20)
    assert not list(tmp_path.iterdir())


def _is_zombie(pid):  # of a parent that was killed: nobody in a container may collect it
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_a_graph_of_one_size_with_an_unknown_layer(exported_small, tmp_path, capfd):
    """What another layer makes is not known, so that ncnn says which maps meet."""
    made = write_ncnn(exported_small.files["ncnn fp32"], tmp_path, "six", fixed=True)
    graph = Graph.load(made)
    first = graph.layers[1]
    graph.layers.insert(1, Layer("LRN", "unknown", list(first.inputs), ["normal"], {}))
    first.inputs[:] = ["normal"]
    made.write_text(graph.to_text())
    effort = ("--runs", "1", "--seconds", "0.1")
    assert main(["bench", "--graph", str(made), "--size", "160x96", *effort]) == 0
    capfd.readouterr()
    assert main(["bench", "--graph", str(made), "--size", "192x96", *effort]) == 1
    line = capfd.readouterr().err.splitlines()[-1]
    assert ": at 192x96: layer " in line and " x " in line
