"""What a machine's shell tells of it is what Python reads itself."""

import pytest
from made_up_machines import BOARDS, write_tree

from nanodet.bench.machine import MACHINE, allowed_cores, describe, read_files
from nanodet.bench.target.guard import Guard
from nanodet.bench.target.there import open_device
from nanodet.bench.throttling import SENSORS, read_sensors


@pytest.mark.parametrize("name", [*BOARDS, None])
def test_a_machine_tells_both_the_same(name, tmp_path):
    root = write_tree(tmp_path / "root", BOARDS[name]) if name else "/"
    (tmp_path / "there").mkdir()
    with open_device("here", root=str(root)) as device, Guard(device, tmp_path / "there") as guard:
        told, sensed = guard.read(MACHINE), guard.read(SENSORS)
    expected = describe(read_files(MACHINE, root))
    assert describe(told) == expected
    assert allowed_cores(told) == allowed_cores(read_files(MACHINE, root))
    cores = [core["id"] for core in expected["cores"]]
    mine, its = (read_sensors(cores, files) for files in (read_files(SENSORS, root), sensed))
    if name:
        assert its == mine
    assert {key: its[key] and list(its[key]) for key in its if key != "firmware"} == {
        key: mine[key] and list(mine[key]) for key in mine if key != "firmware"
    }
