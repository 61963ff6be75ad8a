"""What `nanodet bench --target` does on a device: here this machine's shell and a made-up sysfs.

No board can be had where the tests run, so adb is scripted (`scripted_adb`), and what boards tell
of governors and temperatures is files in a folder.
"""

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from scripted_adb import ScriptedAdb

from nanodet.bench.bench import bench
from nanodet.bench.plan import plan_entries
from nanodet.bench.target.adb import AdbDevice
from nanodet.bench.target.cool import cool_down
from nanodet.bench.target.device import LinkLost
from nanodet.bench.target.guard import Guard, guard_script
from nanodet.bench.target.parcel import PROGRAM, Parcel
from nanodet.bench.target.there import Session, There, open_device
from nanodet.bench.turns import Worker
from nanodet.errors import NanodetError

CPU, THERMAL = "sys/devices/system/cpu", "sys/class/thermal"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the device here is this machine's shell")


def write_tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


@pytest.fixture
def there(tmp_path):
    """The folder of the "device" that must be empty in the end."""
    folder = tmp_path / "on the device"
    folder.mkdir()
    yield folder
    wait_for(lambda: not list(folder.iterdir()))


@pytest.fixture
def board(tmp_path):
    """A made-up sysfs: two cores with governors, three thermal zones, one of them no temperature."""
    root = tmp_path / "a board"
    files = {
        f"{THERMAL}/thermal_zone0/type": "soc-thermal",
        f"{THERMAL}/thermal_zone0/temp": 71500,
        f"{THERMAL}/thermal_zone1/type": "gpu-thermal",
        f"{THERMAL}/thermal_zone1/temp": 48000,
        f"{THERMAL}/thermal_zone2/type": "ibat",
        f"{THERMAL}/thermal_zone2/temp": 2000000,
    }
    for core, governor in ((0, "schedutil"), (1, "ondemand")):
        files[f"{CPU}/cpu{core}/cpufreq/scaling_governor"] = governor
        files[f"{CPU}/cpu{core}/cpufreq/scaling_available_governors"] = (
            "ondemand schedutil performance"
        )
    write_tree(root, files)
    return root


def governors(board):
    return [(board / CPU / f"cpu{i}/cpufreq/scaling_governor").read_text().strip() for i in (0, 1)]


def device_of(root="/", **answers):
    """Return a `Device` behind a scripted adb, and that."""
    adb = ScriptedAdb(**answers)
    return AdbDevice(None, adb, str(root)), adb


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def test_governors_are_set_and_given_back(board, there):
    device, _ = device_of(board)
    with device, Guard(device, there) as guard:
        assert (guard.machine, guard.free_kb > 0) == (platform.machine(), True)
        assert Path(guard.folder).parent == there
        guard.set_governor("performance")
        assert governors(board) == ["performance", "performance"]
    assert governors(board) == ["schedutil", "ondemand"]


def test_governors_are_given_back_when_the_link_breaks(board, there, monkeypatch):
    monkeypatch.setattr("nanodet.bench.target.guard.PAUSE_S", 0.1)
    device, adb = device_of(board)
    with pytest.raises(LinkLost, match="adb:serial: the link was lost"), device:
        with Guard(device, there) as guard:
            guard.set_governor("performance")
            adb.processes[-1].kill()  # the guard itself; its watcher goes on
            wait_for(lambda: guard.read() is not None and False)
    wait_for(lambda: governors(board) == ["schedutil", "ondemand"])


def test_a_governor_that_cannot_be_set(board, there, tmp_path):
    device, _ = device_of(board)
    with device, pytest.raises(NanodetError) as error, Guard(device, there) as guard:
        guard.set_governor("fast")
    assert str(error.value) == (
        "adb:serial: --governor fast: the device has ondemand schedutil performance"
    )
    # not even root can write it
    file = board / CPU / "cpu1/cpufreq/scaling_governor"
    file.unlink()
    file.symlink_to("/proc/version")
    log, su = tmp_path / "log", tmp_path / "su"
    su.write_text(f'#!/bin/sh\necho "$@" >{log}\nexit 1\n')
    su.chmod(0o755)
    device.raising = f"{su} -c"
    with device, pytest.raises(NanodetError, match="log in as root, or leave --governor out"):
        with Guard(device, there) as guard:
            guard.set_governor("performance")
    assert governors(board)[0] == "schedutil"  # of the core that had let it be set
    assert log.read_text().startswith("-c echo ")  # root was tried, for setting and giving back

    shutil.rmtree(board / CPU)
    with device, pytest.raises(NanodetError, match="the device reports no governors"):
        with Guard(device, there) as guard:
            guard.set_governor("performance")


def test_cooling_down(board, there, capsys):
    device, _ = device_of(board)
    zone = board / THERMAL / "thermal_zone0/temp"
    timer = threading.Timer(0.3, lambda: zone.write_text("50000\n"))
    with device, Guard(device, there) as guard:
        timer.start()
        cool_down(guard, 55, patience=20, every=0.05)
        assert zone.read_text() == "50000\n"
        assert capsys.readouterr().err == ("adb:serial: soc-thermal is at 72 C: waiting for 55 C\n")
        cool_down(guard, 40, patience=0)
        assert "warning: adb:serial: soc-thermal is at 50 C after 0 s" in capsys.readouterr().err
        shutil.rmtree(board / THERMAL)
        cool_down(guard, 40)
        assert "reports no temperature" in capsys.readouterr().err


# boards have busybox, Android has mksh
SHELLS = [
    words for words in (["sh"], ["bash"], ["busybox", "ash"], ["mksh"]) if shutil.which(words[0])
]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("how", ["silence", "hang-up", "kill"])
def test_the_device_cleans_up_by_itself(shell, how, there, tmp_path):
    path = str(tmp_path / "bin")
    os.mkdir(path)
    for name in ("mktemp", "uname", "df", "tail", "tr", "chmod", "cat", "sleep", "ls", "rm"):
        os.symlink(shutil.which(name), f"{path}/{name}")  # nothing else is needed
    guard = subprocess.Popen(
        [shutil.which(shell[0]), *shell[1:], "-c", guard_script(str(there), "", "false", 0.1)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PATH": path},
    )  # fmt: skip
    with guard:
        heard = []
        while "ready" not in (line := guard.stdout.readline()):
            heard.append(line)
        (told,) = (line for line in heard if line.startswith("folder "))
        folder = Path(told.removeprefix("folder ").strip())
        shutil.copy(Path(shutil.which("sleep")).resolve(), folder / "sleep")
        program, other = (subprocess.Popen([sleep, "99"]) for sleep in (folder / "sleep", "sleep"))
        if how == "hang-up":
            guard.stdin.close()
        elif how == "kill":
            guard.kill()
            guard.wait()
        wait_for(lambda: not list(there.iterdir()))
        assert program.wait(20) == -signal.SIGKILL
        assert other.poll() is None  # another's
        other.kill()
        other.wait()


@pytest.mark.parametrize(
    ("listed", "line"),
    [
        ("", "adb: no device: connect one and switch on its USB debugging"),
        ("a\tdevice\nb\toffline\n", "adb: there are several devices: choose by adb:SERIAL (a, b)"),
        ("a\tunauthorized\n", "adb:a: unauthorized: allow this computer on the device's screen"),
        ("a\toffline\n", "adb:a: offline: unplug it and plug it in again"),
        (
            "a\tno permissions (user in plugdev group; are your udev rules wrong?); see [http://x]\n",
            "adb:a: no permissions: this user may not use it: see adb's words on udev rules "
            "(adb devices)",
        ),
    ],
)
def test_what_adb_lists(listed, line):
    adb = ScriptedAdb(f"List of devices attached\n{listed}\n")
    with pytest.raises(NanodetError) as error, open_device("adb", start=adb):
        pass
    assert str(error.value) == line
    with pytest.raises(NanodetError, match=r"^adb:none: no (such )?device"):
        with open_device("adb:none", start=adb):
            pass


def test_adb_fails_in_between(there, tmp_path):
    local = tmp_path / "file"
    local.write_text("x")
    full = "adb: error: failed to copy 'x' to 'y': remote write failed: No space left on device"
    device, _ = device_of(push=f'echo "{full}" >&2; exit 1')
    with device, Guard(device, there) as guard:
        with pytest.raises(NanodetError, match=r"file: cannot be copied there .*No space left"):
            device.push(local, f"{guard.folder}/file")
    device, _ = device_of(shell="echo 'error: closed' >&2; exit 1")
    with device, pytest.raises(LinkLost, match=r"the link was lost \(closed\)"):
        device.shell("true")
    with device, pytest.raises(NanodetError, match=r"^adb:serial: closed$"):
        with Guard(device, there):
            pass


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "g.param"
    path.write_text("7767517\n1 1\nInput in 0 1 data 0=64 1=64 2=3\n")
    return path


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("true", "g 64x64, 1 thread, fp32: its process ended with status 0 while loading it$"),
        ("false", "g 64x64, 1 thread, fp32: its process ended with status 1 while loading it"),
        ("cat", "g 64x64, 1 thread, fp32: its process (gave a reply|ended with status 1)"),
    ],
)
def test_a_program_that_is_not_ours(name, line, graph, there, tmp_path):
    program = Path(shutil.which(name)).resolve()
    if program.name != name:
        pytest.skip(f"{name} is a name of {program} here")
    device, out = device_of()[0], tmp_path / "out.json"
    with pytest.raises(NanodetError, match=f"^adb:serial: {line}"):
        bench([], [(graph, (64, 64))], place=There(device, program, str(there)), json_path=out)
    assert not out.exists()


ENDLESS = {
    "lines": "yes",
    "no line end": "tr '\\000' x </dev/zero",
    "errors": "yes >&2",
    "silence": "exec sleep 100",
    "closed": "exec >&- 2>&-; exec sleep 100",
    "marks": "yes '@nanodet left'",
}


@pytest.fixture
def impatient(monkeypatch):
    """Limits of half a second in place of a minute."""
    for name, value in (
        ("device.COMMAND_S", 0.5),
        ("guard.COMMAND_S", 0.5),
        ("guard.PATIENCE_S", 0.5),
    ):
        monkeypatch.setattr(f"nanodet.bench.target.{name}", value)


@pytest.mark.parametrize(
    ("verb", "way"),
    [*(("shell", way) for way in ENDLESS), ("push", "lines"), ("push", "silence"),
     ("devices", "no line end"), ("devices", "closed")],
)  # fmt: skip
def test_a_device_that_says_too_much_or_nothing(verb, way, graph, tmp_path, impatient):
    device, adb = device_of(**{verb: ENDLESS[way]})
    began, threads = time.monotonic(), threading.active_count()
    with pytest.raises(NanodetError) as caught:
        place = There(device, shutil.which("true"), str(tmp_path))
        bench([], [(graph, (64, 64))], place=place)
    assert re.match(
        r"adb:?\w*: the device (says more than 8 MB|says more and more|did not answer (in time|"
        r"within [\d.]+ s)|neither answers nor ends)$", str(caught.value),
    ), caught.value  # fmt: skip
    assert time.monotonic() - began < 20
    wait_for(lambda: all(process.poll() is not None for process in adb.processes))
    # nor does anybody go on reading, and so keep alive, what the killed one had started
    wait_for(lambda: threading.active_count() == threads)


@pytest.mark.parametrize(
    ("script", "line"),
    [("yes >&2", "says more and more"), ("tr '\\000' x </dev/zero >&2", "says more and more"),
     ("yes", "gave a reply that is not of this version of the program"),
     ("tr '\\000' x </dev/zero", "says more than 8 MB"),
     ("echo '{}'", "gave a reply that is not of this version of the program"),
     ("echo '[[['", "gave a reply that is not of this version of the program"),
     ("trap '' TERM INT HUP; while :; do :; done", "did not answer in time")],
)  # fmt: skip
def test_a_program_that_never_ends(script, line, there, graph, tmp_path, capfd):
    # what is checked and copied is the start of a program, what runs is ours
    device, (entry,) = device_of()[0], plan_entries([], [(graph, (64, 64))], here=False)
    parcel = Parcel([entry], shutil.which("true"), None, tmp_path)
    with device, pytest.raises(NanodetError) as caught, Guard(device, there) as guard:
        folder = Path(guard.folder)
        (folder / PROGRAM).write_text(f"#!/bin/sh\n{script}\n")
        (folder / PROGRAM).chmod(0o700)
        session = Session(device, guard, parcel)
        session.patience = 20 if "time" not in line else 0.5
        with Worker(entry, session) as worker:
            worker.load()
    assert str(caught.value) == f"adb:serial: g 64x64, 1 thread, fp32: its process {line}"
    assert not folder.exists()
    assert "did not say" not in capfd.readouterr().err
    # a busy loop that hears no signal would go on for ever
    wait_for(
        lambda: str(folder) not in subprocess.check_output(["ps", "-ww", "-eo", "args"], text=True)
    )


def test_a_real_adb_without_a_device(graph, tmp_path):
    if shutil.which("adb") is None:
        pytest.skip("there is no adb here")
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF" + bytes(16))
    environment = {**os.environ, "ANDROID_ADB_SERVER_PORT": "50037"}
    command = [
        sys.executable,
        "-m",
        "nanodet.cli.main",
        "bench",
        "--graph",
        graph,
        "--size",
        "64x64",
    ]
    command += ["--program", program, "--target", "adb"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    finally:
        subprocess.run(["adb", "kill-server"], env=environment, capture_output=True)
    if "no device" not in done.stderr:
        pytest.skip(f"there is a device: {done.stderr}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        "nanodet: error: adb: no device: connect one and switch on its USB debugging"
    )
    done = subprocess.run(command, env={**environment, "PATH": ""}, capture_output=True, text=True)
    assert done.stderr == (
        "nanodet: error: adb: adb is not installed: it is part of Android's platform-tools\n"
    )
