"""Machines as made-up sysfs and procfs trees tell them: a board with two kinds of core, a PC."""

import copy
import os

import pytest

from nanodet.bench import machine, throttling
from nanodet.bench.machine import MACHINE, allowed_cores, choose_cores, parse_list, read_files
from nanodet.bench.throttling import SENSORS, reasons, slower
from nanodet.errors import NanodetError

CPU, THERMAL = "sys/devices/system/cpu", "sys/class/thermal"


def describe(root="/"):
    return machine.describe(read_files(MACHINE, root))


def read_sensors(cores, root):
    return throttling.read_sensors(cores, read_files(SENSORS, root))


def write_tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(text) if "\0" in str(text) else f"{text}\n")
    return root


@pytest.fixture
def board(tmp_path):
    """Eight cores, four of them big; one zone with trip points and one without."""
    files = {
        f"{CPU}/online": "0-7",
        "proc/meminfo": "MemTotal:        8052948 kB\nMemFree: 1 kB",
        "proc/cpuinfo": "\n\n".join(
            f"processor\t: {i}\nFeatures\t: fp asimd asimdhp\nCPU implementer\t: 0x41\n"
            f"CPU part\t: {'0xd05' if i < 4 else '0xd0b'}"
            for i in range(8)
        ),
        "sys/firmware/devicetree/base/model": "Radxa ROCK 5B\0",
        "sys/firmware/devicetree/base/compatible": "radxa,rock-5b\0rockchip,rk3588\0",
        f"{THERMAL}/thermal_zone0/type": "soc-thermal",
        f"{THERMAL}/thermal_zone0/temp": 41000,
        f"{THERMAL}/thermal_zone0/trip_point_0_type": "passive",
        f"{THERMAL}/thermal_zone0/trip_point_0_temp": 85000,
        f"{THERMAL}/thermal_zone0/trip_point_1_type": "passive",
        f"{THERMAL}/thermal_zone0/trip_point_1_temp": 75000,
        f"{THERMAL}/thermal_zone0/trip_point_2_type": "critical",
        f"{THERMAL}/thermal_zone0/trip_point_2_temp": 60000,
        f"{THERMAL}/thermal_zone1/type": "gpu-thermal",
        f"{THERMAL}/thermal_zone1/temp": 40000,
        f"{THERMAL}/thermal_zone2/type": "broken",
        f"{THERMAL}/cooling_device0/type": "thermal-cpufreq-0",
        f"{THERMAL}/cooling_device0/cur_state": 0,
        f"{THERMAL}/cooling_device1/type": "pwm-fan",
        f"{THERMAL}/cooling_device1/cur_state": 3,
    }
    for i in range(8):
        files[f"{CPU}/cpu{i}/cpu_capacity"] = 530 if i < 4 else 1024
        files[f"{CPU}/cpu{i}/cpufreq/cpuinfo_max_freq"] = 1800000 if i < 4 else 2400000
        files[f"{CPU}/cpu{i}/cpufreq/scaling_max_freq"] = 1800000 if i < 4 else 2400000
        files[f"{CPU}/cpu{i}/cpufreq/scaling_cur_freq"] = 408000
        files[f"{CPU}/cpu{i}/cpufreq/scaling_governor"] = "schedutil"
    return write_tree(tmp_path, files)


def test_a_board_says_what_it_is(board):
    machine = describe(board)
    assert allowed_cores(read_files(MACHINE, board)) is None
    assert machine["board"] == "Radxa ROCK 5B"
    assert machine["soc"] == "rockchip,rk3588"
    assert machine["memory_mb"] == 7864
    assert machine["cpu_flags"] == ["asimd", "asimdhp", "fp"]
    assert [core["model"] for core in machine["cores"]] == ["Cortex-A55"] * 4 + ["Cortex-A76"] * 4
    assert [core["big"] for core in machine["cores"]] == [False] * 4 + [True] * 4
    assert machine["cores"][7]["max_mhz"] == 2400


def test_cores_are_told_apart_by_frequency_where_there_is_no_capacity(board):
    for i in range(8):
        (board / CPU / f"cpu{i}/cpu_capacity").unlink()
    assert [core["big"] for core in describe(board)["cores"]] == [False] * 4 + [True] * 4


def test_a_machine_that_tells_nothing(tmp_path):
    machine = describe(tmp_path)
    assert machine == {
        "board": None, "soc": None, "memory_mb": None, "cpu_flags": [], "cores": [],
    }  # fmt: skip
    assert choose_cores("big", machine["cores"]) is None
    nothing = read_sensors(None, tmp_path)
    assert not any(nothing.values())
    assert reasons(nothing, [nothing] * 8, nothing) == []


def test_a_pc_is_named_by_its_processor(tmp_path):
    cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t: sse avx2\n\nprocessor\t: 1"
    write_tree(tmp_path, {"proc/cpuinfo": cpuinfo, f"{CPU}/online": "0-1"})
    machine = describe(tmp_path)
    assert (machine["soc"], machine["cpu_flags"]) == ("AMD EPYC", ["avx2", "sse"])
    assert all(core["big"] for core in machine["cores"])


def test_the_machine_under_test_tells_its_cores():
    assert len(describe()["cores"]) >= 1
    assert describe()["memory_mb"] > 100
    if hasattr(os, "sched_getaffinity"):
        assert allowed_cores(read_files(MACHINE)) == sorted(os.sched_getaffinity(0))


def test_choosing_cores(board):
    cores = describe(board)["cores"]
    assert choose_cores("big", cores) == [4, 5, 6, 7]
    assert choose_cores("little", cores) == [0, 1, 2, 3]
    assert choose_cores("all", cores, {0, 5}) == [0, 5]
    assert choose_cores("big", cores, {0, 1, 5}) == [5]
    assert choose_cores("6-7,0,6", cores) == [0, 6, 7]
    for wanted, word in (("8", "no core 8"), ("fast", "must be big"), ("1-", "must be big")):
        with pytest.raises(NanodetError, match=f"--cores {wanted}: .*{word}"):
            choose_cores(wanted, cores)
    with pytest.raises(NanodetError, match="no core 0"):
        choose_cores("0", cores, {4})
    with pytest.raises(NanodetError, match="no smaller cores"):
        choose_cores("little", cores[4:])


def test_lists_of_cores():
    assert parse_list("0-2,5") == [0, 1, 2, 5]
    assert parse_list("") == parse_list(None) == parse_list("a") == parse_list("-1") == []


def test_sensors(board):
    assert read_sensors([4, 7], board) == {
        "temperature_c": {"0 soc-thermal": 41.0, "1 gpu-thermal": 40.0},
        "trip_c": {"0 soc-thermal": 75.0},
        "cooling": {"0 thermal-cpufreq-0": 0.0},
        "frequency_mhz": {"4": 408.0, "7": 408.0},
        "limit_mhz": {"4": 2400.0, "7": 2400.0},
        "governor": {"4": "schedutil", "7": "schedutil"},
        "firmware": None,
    }


def test_a_steady_board_is_not_suspected(board):
    idle = read_sensors([4, 5], board)
    # only core 4 works, the other goes up and down
    busy = [{**idle, "frequency_mhz": {"4": 2400.0, "5": 408.0 + 300 * (i % 3)}} for i in range(20)]
    assert reasons(idle, busy, idle) == []


def suspected(board, **changes):
    """Return the reasons when the later half of the turns has these readings."""
    idle = read_sensors([4], board)
    first = {**copy.deepcopy(idle), "frequency_mhz": {"4": 2400.0}}
    return reasons(idle, [first] * 10 + [{**first, **changes}] * 10, idle)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frequency_mhz": {"4": 1800.0}}, "the frequency fell from 2400 to 1800 MHz"),
        ({"limit_mhz": {"4": 2016.0}}, "the frequency limit of core 4 fell from 2400 to 2016 MHz"),
        (
            {"temperature_c": {"0 soc-thermal": 76.0}},
            "thermal zone 0 soc-thermal reached 76 C, its trip point of 75 C or more",
        ),
        (
            {"temperature_c": {"1 gpu-thermal": 82.0}},
            "thermal zone 1 gpu-thermal reached 82 C, 80 C or more",
        ),
        (
            {"cooling": {"0 thermal-cpufreq-0": 2.0}},
            "the kernel's cooling device 0 thermal-cpufreq-0 was on (state 2)",
        ),
        ({"firmware": 0x5}, "the board's firmware reports: under-voltage, throttled"),
    ],
)
def test_what_points_to_throttling_is_named(board, changes, words):
    assert suspected(board, **changes) == [words]


def test_a_raspberry_pi_reports_its_own_throttling(board):
    write_tree(board, {"sys/devices/platform/soc/soc:firmware/get_throttled": "50004"})
    assert read_sensors([0], board)["firmware"] == 0x50004
    assert suspected(board) == ["the board's firmware reports: throttled"]
    write_tree(
        board, {"sys/devices/platform/soc/soc:firmware/get_throttled": "50000"}
    )  # since it started, not now
    assert suspected(board) == []


def test_times_that_grew():
    assert slower(1.03) is None
    assert slower(1.12) == "the later half's median is 12 % above the first half's"
