"""`nanodet-bench`, the program in C++: the same measures, method and JSON as `nanodet bench`."""

import copy
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from cpp_detect import limit_files
from made_up_machines import BOARDS, write_tree

from nanodet.bench.bench import bench as bench_in_python
from nanodet.bench.plan import effort_of
from nanodet.bench.report import format_tables
from nanodet.bench.statistics import later_half, ratio, stage_times
from nanodet.bench.throttling import reasons

QUICK = ["--runs", 3, "--seconds", 0.1]


@pytest.fixture(scope="module")
def onnx(exported_small):
    return exported_small.files["onnx simplified"]


@pytest.fixture(scope="module")
def measured(run_bench, onnx, tmp_path_factory):
    """One run's (stdout, report): one model at two sizes, an image, a made-up hot machine."""
    folder = tmp_path_factory.mktemp("bench")
    root = write_tree(folder / "root", BOARDS["a phone"])
    picture, out = folder / "p.ppm", folder / "out.json"
    assert cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 256, (40, 50, 3), "u1"))
    status, text, err = run_bench(
        onnx, f"{onnx}@96x64", *QUICK, "--cores", "0", "--image", picture, "--root", root,
        "--json", out,
    )  # fmt: skip
    assert status == 0, err
    assert "2 to time, at least 0 s" in err
    assert sorted(path.name for path in folder.iterdir()) == ["out.json", "p.ppm", "root"]
    return text, json.loads(out.read_text()), picture


def test_the_report(measured, onnx):
    _, report, picture = measured
    assert report["tool"].startswith("nanodet-bench 2")
    assert report["command"].startswith(f"nanodet-bench {onnx} {onnx}@96x64 --runs 3 ")
    assert report["cores"] == {"wanted": "0", "ids": [0]}
    assert report["effort"] == {
        "runs": 3, "seconds": 0.1, "name": "quick", "warmup_runs": 10, "warmup_s": 0.1,
    }  # fmt: skip
    assert report["picture"] == f"{picture}, 50 x 40"
    assert report["machine"]["environment"]["OMP_WAIT_POLICY"] == "PASSIVE"
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


def test_the_keys_are_those_of_the_python_command(measured, onnx, tmp_path, capsys):
    report = copy.deepcopy(measured[1])
    other = bench_in_python([str(onnx)], effort=effort_of(runs=3, seconds=0.1), cores="0")
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


def test_the_tables_are_those_of_the_python_command(measured, ask):
    text, report, _ = measured
    assert text == "\n".join(format_tables(report)) + "\n"
    changed = copy.deepcopy(report)
    first, second = changed["results"]
    first |= {"name": "größer", "error": "it died", "waited": 0.031, "benchncnn": "benchncnn 1"}
    second |= {"weights": "zero", "left_out": ["a", "b"], "detections": None}
    second["memory_mb"] = {"before_load": None, "peak": None}
    del second["times_us"], second["network_ratio"], second["waited"]
    changed["effort"] = {"name": "strict", "runs": 1024, "seconds": 60.0}
    changed["machine"] |= {"board": None, "soc": None}
    changed["cores"]["ids"] = None
    changed["before"] |= {"temperature_c": {}, "frequency_mhz": {"0": 600.0}}
    assert ask({"report": changed})[0]["tables"] == format_tables(changed)


@pytest.fixture(scope="module")
def ask(cpp_programs):
    """Return a function that gives questions to the program's own functions."""

    def ask(*questions):
        done = subprocess.run(
            [cpp_programs.bench.with_name("nanodet-bench-probe")],
            input="".join(json.dumps(question) + "\n" for question in questions),
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return list(map(json.loads, done.stdout.splitlines()))

    return ask


def test_statistics_are_those_of_the_python_command(ask):
    generator, questions = np.random.default_rng(0), []
    for count in (1, 2, 3, 9, 10, 11, 100, 1001):
        turns = [generator.integers(1000, 10**7, generator.integers(1, 9)) for _ in range(count)]
        questions.append(
            {
                "runs": generator.integers(1000, 10**7, (count, 3)).tolist(), "stages": ["a", "b", "c"],
                "turns": [generator.integers(1000, 10**7, count).tolist(), *map(np.ndarray.tolist, turns)],
                "reference": [turn.tolist() for turn in turns],
            }
        )  # fmt: skip
    for question, answer in zip(questions, ask(*questions), strict=True):
        turns, reference = question["turns"], question["reference"]
        assert answer["stage_times"] == stage_times(question["runs"], question["stages"])
        assert tuple(answer["ratio"].values()) == ratio(turns, reference)
        assert answer["later_half"] == pytest.approx(later_half(turns[0]), rel=1e-12)
    assert list(ask({"runs": [[1], [2]], "stages": ["network"]})[0]["stage_times"]) == ["network"]


def test_reasons_are_those_of_the_python_command(ask):
    chance = random.Random(0)

    def sample(names):
        def told(low, high):
            return {n: chance.uniform(low, high) for n in names if chance.random() < 0.95}

        return {
            "temperature_c": told(60, 80.2), "trip_c": {n: 80.1 for n in names[:1]},
            "cooling": {n: float(chance.random() < 0.05) for n in names},
            "frequency_mhz": told(1000, 1100), "limit_mhz": told(1200, 1200 + chance.choice((0, 5))),
            "governor": {}, "firmware": chance.choice((None, 0, 0, 0x50000, 1, 0xA)),
        }  # fmt: skip

    questions = []
    for _ in range(60):
        names = ["0", "1 cpu", "2"][: chance.randrange(4)]
        during = [sample(names) for _ in range(chance.randrange(8))]
        for one in during[len(during) // 2 :]:
            factor = chance.choice((1.0, 0.9))
            one["frequency_mhz"] = {n: factor * v for n, v in one["frequency_mhz"].items()}
        questions.append({"before": sample(names), "during": during, "after": sample(names)})
    expected = [reasons(**question) for question in questions]
    assert [answer["reasons"] for answer in ask(*questions)] == expected
    seen = " ".join(" ".join(why) for why in expected)
    for word in ("frequency fell", "limit of core", "trip point", "80 C or", "cooling", "firmware"):
        assert word in seen
    assert [] in expected


def test_json_to_standard_output(run_bench, onnx):
    status, text, err = run_bench(
        onnx, *QUICK, "--json", "-", "--threads", "1, 65", OMP_NUM_THREADS="1"
    )
    assert status == 0, err
    report = json.loads(text)
    assert [r["threads"] for r in report["results"]] == [1, 65]
    assert report["picture"] == "generated, 640 x 480"
    assert report["machine"]["environment"]["OMP_NUM_THREADS"] == "1"
    assert f"warning: 65 threads on {len(report['cores']['ids'])} cores" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to time: give a MODEL, or --graph GRAPH.param --size WxH"),
        (["none.onnx"], "none.onnx: there is no such model file"),
        (["none.onnx@320x320"], "none.onnx: there is no such model file"),
        (["."], ".: is a folder; give one model file in it"),
        (["broken.onnx"], "broken.onnx: not a usable ONNX model"),
        (["p.ppm"], "p.ppm: unknown kind of model; known: .param, .onnx"),
        (["MODEL", "MODEL"], "is to be timed twice in one run"),
        (["MODEL@100x100"], "100x100: width and height must be multiples of 32"),
        (["MODEL", "--precision", "bf16"], "is calculated in fp32 alone"),
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
        (["MODEL", "--strict=1"], "--strict: takes no value"),
        (["MODEL", "--plot", "x"], "--plot: there is no such option"),
        (["MODEL", "--cores", "fast"], "--cores fast: must be big, little, all, or numbers"),
        (["MODEL", "--cores", "9999"], "--cores 9999: there is no core 9999 to run on"),
        (["MODEL", "--size", "32x32"], "--graph: 0 graphs and 1 sizes"),
        (["MODEL", "--graph", "g", "--size", "0x32"], "--size: must be WxH, such as 320x320"),
        (["MODEL", "--json", "."], ".: is a folder, not a file to write"),
        (["MODEL", "--json", "none/out.json"], "none/out.json: cannot be written (No such file"),
        (["MODEL", "--json", "/dev/null"], "/dev/null: is no file that can be replaced"),
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
    last = [line for line in err.splitlines() if " to time, " not in line]
    assert len(last) == 1 and last[0].startswith("nanodet-bench: error: ") and words in last[0], err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.onnx", "p.ppm"]


def children_of(pid):
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


def wait_until_running(process, count):
    """Return the ids of the processes of `count` entries once the last has run for a while."""

    def running():
        children = children_of(process.pid)
        ticks = os.sysconf("SC_CLK_TCK")
        # user time: loading takes less
        times = [int(Path(f"/proc/{c}/stat").read_text().split()[13]) / ticks for c in children]
        return children if len(times) == count and min(times) > 0.4 else None

    return wait_for(running)


def test_a_process_that_dies_leaves_the_others(start_bench, onnx, tmp_path):
    out = tmp_path / "out.json"
    process = start_bench(onnx, f"{onnx}@96x64", "--runs", 3, "--seconds", 1, "--json", out)
    os.kill(wait_until_running(process, 2)[0], signal.SIGKILL)
    text, err = process.communicate(timeout=60)
    assert process.returncode == 1
    first, second = json.loads(out.read_text())["results"]
    assert first["error"].endswith("1 thread, fp32: its process ended by SIGKILL while running it")
    assert err.splitlines()[-1] == f"nanodet-bench: error: {first['error']}"
    assert f"FAILED      {first['error']}" in text
    assert second["error"] is None and second["seconds"] >= 1


def test_a_report_that_the_disk_does_not_take(cpp_programs, onnx, tmp_path):
    out = tmp_path / "report.json"
    out.write_text("an earlier one")
    done = subprocess.run(
        [cpp_programs.bench, onnx, "--runs", "3", "--seconds", "0.05", "--json", out],
        capture_output=True, text=True, preexec_fn=limit_files, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == f"nanodet-bench: error: {out}: cannot be written (File too large)"
    assert [path.name for path in tmp_path.glob("*report*")] == ["report.json"]
    assert out.read_text() == "an earlier one"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(number, start_bench, onnx, tmp_path):
    process = start_bench(onnx, f"{onnx}@96x64", "--strict", "--json", tmp_path / "out.json")
    children = wait_until_running(process, 2)
    # Ctrl-C goes to all processes of the terminal
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (128 + number, "")
    assert err.splitlines()[-1] == "nanodet-bench: stopped"
    assert list(tmp_path.iterdir()) == []
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def test_processes_end_when_the_first_is_killed(start_bench, onnx):
    process = start_bench(onnx, f"{onnx}@96x64", "--strict")
    children = wait_until_running(process, 2)
    process.kill()
    process.communicate(timeout=20)
    wait_for(lambda: not any(alive(child) for child in children))


def alive(pid):
    """Tell whether a process runs; where nobody collects orphans a dead one stays in the table."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_help_and_version(run_bench):
    status, text, err = run_bench("--help")
    assert (status, err) == (0, "") and "nanodet-bench MODEL[@WxH]..." in text
    assert run_bench("--version") == (0, "nanodet-bench 2.0.0\n", "")
