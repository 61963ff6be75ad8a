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

from nanodet.bench.bench import bench as bench_in_python
from nanodet.bench.machine import describe
from nanodet.bench.plan import effort_of
from nanodet.bench.report import format_tables
from nanodet.bench.statistics import later_half, ratio, stage_times
from nanodet.bench.throttling import read_sensors, reasons

CPU, THERMAL = "sys/devices/system/cpu", "sys/class/thermal"
QUICK = ["--runs", 3, "--seconds", 0.1]


# sysfs and procfs of made-up machines
BOARDS = {
    "a phone": {
        f"{CPU}/online": "0-3,6",
        "proc/meminfo": "MemFree:  1 kB\nMemTotal:        8052948 kB",
        "proc/cpuinfo": "\n\n".join(
            f"processor\t: {i}\nFeatures\t: fp asimd  asimdhp\nCPU implementer\t: 0x{maker}\n"
            f"CPU part\t: {part}"
            for i, maker, part in (
                (0, 41, "0xd05"),
                (1, 41, "0xd05"),
                (2, 51, "0x804"),
                (3, 41, "0xfff"),
                (6, 41, "-"),
            )
        )
        + "\n\nHardware\t: Qualcomm SM8350\nSerial\t: ",
        "sys/devices/soc0/machine": "\0",
        "sys/devices/soc0/soc_id": "415",
        **{f"{CPU}/cpu{i}/cpu_capacity": 325 if i < 2 else 1024 for i in (0, 1, 2, 3, 6)},
        **{f"{CPU}/cpu{i}/cpufreq/cpuinfo_max_freq": 1804800 + 7 * i for i in range(7)},
        f"{CPU}/cpu0/cpufreq/scaling_cur_freq": 1234567,
        f"{CPU}/cpu0/cpufreq/scaling_max_freq": "none",
        f"{CPU}/cpu1/cpufreq/scaling_governor": "schedutil",
        f"{THERMAL}/thermal_zone0/type": "cpu-0-0",
        f"{THERMAL}/thermal_zone0/temp": 81300,
        f"{THERMAL}/thermal_zone0/trip_point_0_type": "passive",
        f"{THERMAL}/thermal_zone0/trip_point_0_temp": 95000,
        f"{THERMAL}/thermal_zone0/trip_point_1_type": "hot",
        f"{THERMAL}/thermal_zone0/trip_point_1_temp": 75000,
        f"{THERMAL}/thermal_zone0/trip_point_2_type": "critical",
        f"{THERMAL}/thermal_zone0/trip_point_2_temp": 60000,
        f"{THERMAL}/thermal_zone0/trip_point_3_type": "passive",
        f"{THERMAL}/thermal_zone0/trip_point_3_temp": -274000,
        f"{THERMAL}/thermal_zone10/temp": 30123,
        f"{THERMAL}/thermal_zone2/type": "off",
        f"{THERMAL}/thermal_zone2/temp/nothing": "a folder",
        f"{THERMAL}/cooling_device0/type": "thermal-CPUfreq-0",
        f"{THERMAL}/cooling_device0/cur_state": 0,
        f"{THERMAL}/cooling_device1/type": "pwm-fan",
        f"{THERMAL}/cooling_device1/cur_state": 3,
        f"{THERMAL}/cooling_device10/type": "cpufreq-cpu4",
        f"{THERMAL}/cooling_device10/cur_state": 2,
    },
    "a Raspberry Pi": {
        # no list of cores; the paragraph behind those of the cores counts in both programs
        "proc/cpuinfo": "\n\n".join(
            f"processor\t: {i}\nBogoMIPS\t: 108.00\nFeatures\t: fp crc32\n"
            "CPU implementer\t: 0x41\nCPU part\t: 0xd0b"
            for i in range(4)
        )
        + "\n\nRevision\t: c04170\nModel\t\t: Raspberry Pi 5",
        "proc/meminfo": "MemTotal: 8245184 kB",
        "sys/firmware/devicetree/base/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "sys/firmware/devicetree/base/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005",
        **{f"{CPU}/cpu{i}/cpufreq/scaling_governor": "ondemand" for i in range(4)},
    },
    "a PC": {
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD: EPYC\nflags\t: sse avx2\n\nprocessor\t: 1",
        "proc/meminfo": "no total",
        f"{CPU}/online": "0-1",
        f"{CPU}/cpu0/cpufreq/cpuinfo_max_freq": 3000000,
        f"{CPU}/cpu1/cpufreq/cpuinfo_max_freq": 2000000,
        "sys/class/dmi/id/product_name": "Standard PC",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "0x1g",
    },
    "nothing told": {},
}


def write_tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(text) if "\0" in str(text) else f"{text}\n")
    root.mkdir(exist_ok=True)
    return root


@pytest.mark.parametrize("name", BOARDS)
def test_a_machine_tells_both_programs_the_same(name, bench, tmp_path):
    root = write_tree(tmp_path / "root", BOARDS[name])
    status, text, err = bench("--machine", "--root", root)
    assert (status, err) == (0, "")
    told = json.loads(text)
    expected = describe(root)
    assert {key: told["machine"][key] for key in expected} == expected
    assert set(told["machine"]) - set(expected) == {"architecture", "system", "environment"}
    sensors = read_sensors([core["id"] for core in expected["cores"]], root)
    assert told["sensors"] == sensors
    assert [list(v) for v in told["sensors"].values() if isinstance(v, dict)] == [
        list(v) for v in sensors.values() if isinstance(v, dict)
    ]


def test_this_machine_tells_both_programs_the_same(bench):
    expected = describe()
    told = json.loads(bench("--machine")[1])["machine"]
    assert {key: told[key] for key in expected} == expected


@pytest.fixture(scope="module")
def start(cpp_programs):
    """Return a function that starts the program."""

    def start(*arguments, **environment):
        return subprocess.Popen(
            list(map(str, [cpp_programs.bench, *arguments])), env={**os.environ, **environment},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    return start


@pytest.fixture(scope="module")
def bench(start):
    """Return a function that runs the program and returns (status, stdout, stderr)."""

    def bench(*arguments, **environment):
        process = start(*arguments, **environment)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    return bench


@pytest.fixture(scope="module")
def onnx(exported_small):
    return exported_small.files["onnx simplified"]


@pytest.fixture(scope="module")
def measured(bench, onnx, tmp_path_factory):
    """One run's (stdout, report): one model at two sizes, a picture, a made-up hot machine."""
    folder = tmp_path_factory.mktemp("bench")
    root = write_tree(folder / "root", BOARDS["a phone"])
    picture, out = folder / "p.ppm", folder / "out.json"
    assert cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 256, (40, 50, 3), "u1"))
    status, text, err = bench(
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


def test_json_to_standard_output(bench, onnx):
    status, text, err = bench(
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
        (["MODEL", "--image", "none.ppm"], "none.ppm: cannot read this picture (No such file"),
        (["MODEL", "--image", "broken.onnx"], "broken.onnx: not a binary PPM picture (P6)"),
        (["MODEL", "--image", "p.ppm"], "p.ppm: this picture is truncated"),
    ],
)
def test_bad_input_gets_one_line(arguments, words, bench, onnx, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    (tmp_path / "p.ppm").write_bytes(b"P6 # a comment\n4 4 255\n" + bytes(10))
    words_in = [str(argument).replace("MODEL", str(onnx)) for argument in arguments]
    status, out, err = bench("--runs", 1, "--seconds", 0.01, *words_in)
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


def test_a_process_that_dies_leaves_the_others(start, onnx, tmp_path):
    out = tmp_path / "out.json"
    process = start(onnx, f"{onnx}@96x64", "--runs", 3, "--seconds", 1, "--json", out)
    os.kill(wait_until_running(process, 2)[0], signal.SIGKILL)
    text, err = process.communicate(timeout=60)
    assert process.returncode == 1
    first, second = json.loads(out.read_text())["results"]
    assert first["error"].endswith("1 thread, fp32: its process ended by SIGKILL while running it")
    assert err.splitlines()[-1] == f"nanodet-bench: error: {first['error']}"
    assert f"FAILED      {first['error']}" in text
    assert second["error"] is None and second["seconds"] >= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(number, start, onnx, tmp_path):
    process = start(onnx, f"{onnx}@96x64", "--strict", "--json", tmp_path / "out.json")
    children = wait_until_running(process, 2)
    # Ctrl-C goes to all processes of the terminal
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (128 + number, "")
    assert err.splitlines()[-1] == "nanodet-bench: stopped"
    assert list(tmp_path.iterdir()) == []
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def test_processes_end_when_the_first_is_killed(start, onnx):
    process = start(onnx, f"{onnx}@96x64", "--strict")
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


def test_help_and_version(bench):
    status, text, err = bench("--help")
    assert (status, err) == (0, "") and "nanodet-bench MODEL[@WxH]..." in text
    assert bench("--version") == (0, "nanodet-bench 2.0.0\n", "")
