"""`nanodet-bench`, the program in C++: its own table, and what `nanodet bench --program` makes of it."""

import copy
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from cpp_detect import limit_files
from foreign_files import write_ncnn
from made_up_machines import BOARDS, write_tree

from nanodet.bench.bench import bench as bench_in_python
from nanodet.bench.plan import effort_of
from nanodet.bench.report import format_tables
from nanodet.bench.target.there import There, open_device
from nanodet.errors import NanodetError
from nanodet.export.stages import FP32
from nanodet.ncnn_files.graph import Graph, Layer

QUICK = ["--runs", 3, "--seconds", 0.1]
EFFORT = effort_of(runs=3, seconds=0.1)


@pytest.fixture(scope="module")
def onnx(exported_small):
    return exported_small.files["onnx simplified"]


@pytest.fixture(scope="module")
def there(cpp_programs, tmp_path_factory):
    """The program on this machine, in a folder that must be empty in the end."""
    folder = tmp_path_factory.mktemp("there")
    yield There(open_device("here"), cpp_programs.bench, str(folder))
    assert not list(folder.iterdir())


@pytest.fixture(scope="module")
def measured(cpp_programs, onnx, tmp_path_factory):
    """One run's report: one model at two sizes, an image, a made-up hot machine."""
    folder = tmp_path_factory.mktemp("bench")
    allowed = {"proc/self/status": "Name:\tsh\nCpus_allowed_list:\t0-3"}
    root = write_tree(folder / "root", BOARDS["a phone"] | allowed)
    picture, out = folder / "p.ppm", folder / "out.json"
    assert cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 256, (40, 50, 3), "u1"))
    bench_in_python(
        [str(onnx), f"{onnx}@96x64"], effort=EFFORT, cores="0", image=picture, json_path=out,
        place=There(open_device("here", root=str(root)), cpp_programs.bench, str(folder)),
        command="as typed",
    )  # fmt: skip
    assert sorted(path.name for path in folder.iterdir()) == ["out.json", "p.ppm", "root"]
    return json.loads(out.read_text()), picture


def test_the_report(measured):
    report, picture = measured
    assert report["tool"].startswith("nanodet-bench 2")
    assert report["command"] == "as typed"
    assert report["cores"] == {"wanted": "0", "ids": [0]}
    assert report["effort"] == {
        "runs": 3, "seconds": 0.1, "name": "quick", "warmup_runs": 10, "warmup_s": 0.1,
    }  # fmt: skip
    assert report["picture"] == f"{picture}, 50 x 40"
    assert report["machine"]["environment"]["GOMP_SPINCOUNT"] == "1000"
    assert report["throttling"] == {
        "flagged": True,
        "reasons": [
            "thermal zone 0 cpu-0-0 reached 81 C, its trip point of 75 C or more",
            "the kernel's cooling device 10 cpufreq-cpu4 was on (state 2)",
            *[reason for reason in report["throttling"]["reasons"] if "later half" in reason],
        ],
    }
    first, second = report["results"]
    assert (first["input"], second["input"]) == ([160, 96], [96, 64])
    for result in report["results"]:
        assert result["engine"].startswith("openvino ") and result["options"]["threads"] == 1
        assert result["cores"] == [0]  # told by the process itself
        assert result["runs"] >= 3 and result["seconds"] >= 0.1 and result["warmup_runs"] >= 10
        assert 1 < result["memory_mb"]["before_load"] < result["memory_mb"]["peak"] < 2000
        times = result["times_us"]
        assert list(times) == ["preprocess", "network", "decode", "end_to_end"]
        stages = [times[stage]["mean"] for stage in ("preprocess", "network", "decode")]
        assert times["end_to_end"]["mean"] == pytest.approx(sum(stages), abs=0.3)
    assert first["network_ratio"] == {"median": 1.0, "lower": 1.0, "upper": 1.0}
    assert second["network_ratio"]["median"] < 0.9  # 0.4 of the pixels


def test_the_keys_are_those_of_the_python_command(measured, onnx, capsys):
    report = copy.deepcopy(measured[0])
    other = bench_in_python([str(onnx)], effort=EFFORT, cores="0")
    for one in (report, other):
        del one["machine"]["environment"]
        for result in one["results"]:
            del result["options"]  # the engine's own
        # by the names of what the machine has
        one["before"] = dict.fromkeys(one["before"])
        one["after"] = dict.fromkeys(one["after"])
    assert tree(report) == tree(other)
    assert tree(report["results"][1]) == tree(other["results"][0])
    mine, his = report["results"][0], other["results"][0]
    for key in ("name", "path", "files", "weights", "input", "threads", "precision", "cores"):
        assert mine[key] == his[key], key


def tree(value):
    """Return the keys, in their order, down to plain values and lists."""
    if not isinstance(value, dict):
        return None
    return {key: None if key == "files" else tree(part) for key, part in value.items()}


def test_tables_of_what_is_not_known(measured):
    changed = copy.deepcopy(measured[0])
    first, second = changed["results"]
    first |= {"name": "größer", "error": "it died", "waited": 0.031, "benchncnn": "benchncnn 1"}
    second |= {"weights": "zero", "left_out": ["a", "b"], "detections": None}
    second["memory_mb"] = {"before_load": None, "peak": None}
    del second["times_us"], second["network_ratio"], second["waited"]
    changed["effort"] = {"name": "strict", "runs": 1024, "seconds": 60.0}
    changed["machine"] |= {"board": None, "soc": None}
    changed["cores"]["ids"] = None
    changed["before"] |= {"temperature_c": {}, "frequency_mhz": {"0": 600.0}}
    lines = format_tables(changed)
    assert [line.split()[0] for line in lines if line.startswith("größer")] == ["größer"] * 3
    for line in ("machine     -; -; 5 cores; ", "ran on      cores not set (0); ",
                 "left out    small: a, b (", "temperature not reported by this machine",
                 "frequency   0: 600.0 > 1234.567",
                 "BUSY        other processes had the CPU for up to 3 %", "benchncnn   benchncnn 1",
                 "FAILED      it died"):  # fmt: skip
        assert any(one.startswith(line) for one in lines), (line, lines)


def test_more_threads_than_cores(there, onnx, monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    report = bench_in_python([str(onnx)], threads=(1, 65), effort=EFFORT, place=there)
    assert [r["threads"] for r in report["results"]] == [1, 65]
    assert report["picture"] == "generated, 640 x 480"
    assert report["machine"]["environment"]["OMP_NUM_THREADS"] == "1"
    assert f"warning: 65 threads on {len(report['cores']['ids'])} cores" in capsys.readouterr().err


def test_a_graph_of_one_size_with_an_unknown_layer(
    there, exported_small, ncnn_option, tmp_path, capsys
):
    """As of the Python worker: what another layer makes is not known, so that ncnn says which maps meet."""
    made = write_ncnn(exported_small.files[FP32], tmp_path, "six", fixed=True)
    with pytest.raises(NanodetError, match=r"was made for 160x96 alone, .* not for 192x96"):
        bench_in_python([], [(made, (192, 96))], effort=EFFORT, place=there)
    graph = Graph.load(made)
    first = graph.layers[1]
    graph.layers.insert(1, Layer("LRN", "unknown", list(first.inputs), ["normal"], {}))
    first.inputs[:] = ["normal"]
    made.write_text(graph.to_text())
    report = bench_in_python([], [(made, (160, 96))], effort=EFFORT, place=there)
    assert report["results"][0]["runs"] >= 3 and list(report["results"][0]["times_us"]) == [
        "network"
    ]
    with pytest.raises(
        NanodetError, match=rf"^here: {re.escape(str(made))}: at 192x96: layer .* x "
    ):
        bench_in_python([], [(made, (192, 96))], effort=EFFORT, place=there)
    graph.layers[1].kind = "Strange"
    made.write_text(graph.to_text())
    with pytest.raises(NanodetError, match=r"layer unknown: ncnn has no layer Strange$"):
        bench_in_python([], [(made, (160, 96))], effort=EFFORT, place=there)


def test_a_plain_table(run_bench, onnx):
    status, text, err = run_bench(onnx, f"{onnx}@96x64", *QUICK, "--threads", " 1")
    assert (status, err) == (0, "")
    head, *rows = text.splitlines()
    assert head.split()[:6] == ["model", "threads", "precision", "load", "ms", "preprocess"]
    assert [row.split()[:3] for row in rows] == [
        [name, "1", "fp32"] for name in (onnx.name, f"{onnx.name}@96x64")
    ]
    preprocess, network, least, p90, decode, ratio, boxes = map(float, rows[0].split()[4:])
    assert 0 < least <= network <= p90 and min(preprocess, decode) > 0 and boxes >= 0
    assert ratio == 1 and float(rows[1].split()[-2]) < 0.9  # 0.4 of the pixels


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to time: give a MODEL"),
        (["none.onnx"], "none.onnx: "),
        (["none.onnx@320x320"], "none.onnx: "),
        (["broken.onnx"], "broken.onnx: not a usable ONNX model"),
        (["p.ppm"], "p.ppm: "),
        (["MODEL@100x100"], "100x100: width and height must be multiples of 32"),
        (["MODEL", "--precision", "bf16"], "precision bf16: only an ncnn model (.param) has it"),
        (
            ["MODEL", "--precision", "int8"],
            "--precision: must be of fp32, bf16 and fp16, not 'int8'",
        ),
        (["MODEL", "--threads", "1,0"], "--threads: must be a whole number, 1 to 1024, not '0'"),
        (["MODEL", "--threads", ""], "--threads: needs a value"),
        (["MODEL", "--runs", "1e3"], "--runs: must be a whole number"),
        (["MODEL", "--seconds", "-1"], "--seconds: must be a number of seconds above 0, not '-1'"),
        (
            ["MODEL", "--seconds", "nan"],
            "--seconds: must be a number of seconds above 0, not 'nan'",
        ),
        (["MODEL", "--seconds"], "--seconds: needs a value"),
        (["MODEL", "--version=1"], "--version: takes no value"),
        (["MODEL", "--plot", "x"], "--plot: there is no such option"),
        (["MODEL", "--image", "none.ppm"], "none.ppm: cannot read this image (No such file"),
        (["MODEL", "--image", "broken.onnx"], "broken.onnx: not a binary PPM image (P6)"),
        (["MODEL", "--image", "p.ppm"], "p.ppm: this image is truncated"),
    ],
)
def test_bad_input_gets_one_line(arguments, words, run_bench, onnx, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    (tmp_path / "p.ppm").write_bytes(b"P6 # a comment\n4 4 255\n" + bytes(10))
    words_in = [str(argument).replace("MODEL", str(onnx)) for argument in arguments]
    status, out, err = run_bench("--runs", 1, "--seconds", 0.01, *words_in)
    assert (status, out) == (1, "")
    (last,) = err.splitlines()
    assert last.startswith("nanodet-bench: error: ") and words in last, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.onnx", "p.ppm"]


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


@pytest.fixture
def start(cpp_programs, tmp_path):
    """A function that starts `nanodet bench --program`; its folder must be empty in the end."""
    folder = tmp_path / "there"
    folder.mkdir()

    def start(*arguments, **how):
        command = [
            sys.executable,
            "-m",
            "nanodet.cli.main",
            "bench",
            "--program",
            cpp_programs.bench,
        ]
        return subprocess.Popen(
            list(map(str, [*command, "--target-dir", folder, *arguments])), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **how,
        )  # fmt: skip

    yield start
    wait_for(lambda: not list(folder.iterdir()))


def programs_below(folder):
    """Return process number to seconds of user time of the programs of a folder that run."""
    found = {}
    for exe in Path("/proc").glob("[0-9]*/exe"):
        try:
            if os.readlink(exe).startswith(f"{folder}/"):
                fields = exe.with_name("stat").read_text().rsplit(")", 1)[1].split()
                found[int(exe.parent.name)] = int(fields[11]) / os.sysconf("SC_CLK_TCK")
        except OSError:
            pass
    return found


def wait_until_running(folder, count):
    """Return the ids of the processes of `count` entries once the last has run for a while."""

    def running():
        found = programs_below(folder)
        # user time: loading takes less
        return sorted(found) if len(found) == count and min(found.values()) > 0.4 else None

    return wait_for(running)


def test_a_process_that_dies_leaves_the_others(start, onnx, tmp_path):
    out = tmp_path / "out.json"
    process = start(onnx, f"{onnx}@96x64", "--runs", 3, "--seconds", 1, "--json", out)
    os.kill(wait_until_running(tmp_path, 2)[0], signal.SIGKILL)
    text, err = process.communicate(timeout=60)
    assert process.returncode == 1
    dead, alive = sorted(json.loads(out.read_text())["results"], key=lambda r: r["error"] is None)
    assert "1 thread, fp32: its process ended by SIGKILL while running it" in dead["error"]
    assert err.splitlines()[-1] == f"nanodet: error: {dead['error']}"
    assert f"FAILED      {dead['error']}" in text
    assert alive["error"] is None and alive["seconds"] >= 1


def test_a_report_that_the_disk_does_not_take(onnx, tmp_path):
    out = tmp_path / "report.json"
    out.write_text("an earlier one")
    command = [sys.executable, "-m", "nanodet.cli.main", "bench", onnx, *QUICK, "--json", out]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, preexec_fn=limit_files, timeout=120
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == f"nanodet: error: {out}: cannot be written (File too large)"
    assert [path.name for path in tmp_path.glob("*report*")] == ["report.json"]
    assert out.read_text() == "an earlier one"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_nothing(number, start, onnx, tmp_path):
    process = start(onnx, f"{onnx}@96x64", "--strict", "--json", tmp_path / "out.json")
    wait_until_running(tmp_path, 2)
    # Ctrl-C goes to all processes of the terminal
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=20)
    assert out == ""
    if number != signal.SIGKILL:
        by = "" if number == signal.SIGINT else " by SIGTERM"
        assert (process.returncode, err.splitlines()[-1]) == (128 + number, f"nanodet: stopped{by}")
    wait_for(lambda: not programs_below(tmp_path))
    wait_for(lambda: [path.name for path in tmp_path.glob("*/*")] == [])
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_help_and_version(run_bench):
    status, text, err = run_bench("--help")
    assert (status, err) == (0, "") and "nanodet-bench MODEL[@WxH]..." in text
    assert run_bench("--version") == (0, "nanodet-bench 2.0.0\n", "")
