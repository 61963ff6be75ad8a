"""What `nanodet-bench` tells of a machine is what `nanodet bench` tells of it."""

import json

import pytest
from made_up_machines import BOARDS, write_tree

from nanodet.bench.machine import describe
from nanodet.bench.throttling import read_sensors


@pytest.mark.parametrize("name", BOARDS)
def test_a_machine_tells_both_programs_the_same(name, run_bench, tmp_path):
    root = write_tree(tmp_path / "root", BOARDS[name])
    status, text, err = run_bench("--machine", "--root", root)
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


def test_this_machine_tells_both_programs_the_same(run_bench):
    expected = describe()
    told = json.loads(run_bench("--machine")[1])["machine"]
    assert {key: told[key] for key in expected} == expected
