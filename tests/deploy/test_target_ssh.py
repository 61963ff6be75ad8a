"""`nanodet bench --target ssh:...` against a real sshd on this machine, with throwaway keys."""

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from sshd import Sshd

from nanodet.cli.main import main
from nanodet.compare.tensors import generated_picture

NANODET = [sys.executable, "-m", "nanodet.cli.main", "bench"]
QUICK = ["--runs", 3, "--seconds", 0.1]
LONG = ["--seconds", 50]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    try:
        with Sshd(tmp_path_factory.mktemp("sshd")) as daemon:
            yield daemon
    except OSError as error:
        pytest.skip(f"needs an sshd that lets this user in: {error}")


@pytest.fixture
def there(tmp_path):
    """The folder of the "device" that must be empty in the end."""
    folder = tmp_path / "on the device"
    folder.mkdir()
    yield folder
    end = time.monotonic() + 10
    while list(folder.iterdir()):
        assert time.monotonic() < end, [str(path) for path in folder.rglob("*")]
        time.sleep(0.05)


@pytest.fixture(scope="session")
def model(exported_small):
    return Path(exported_small.files["onnx simplified"])


@pytest.fixture
def at(sshd, there):
    """The options that name the device and its folder."""
    return ["--target", sshd.target, *sshd.options, "--target-dir", there]


@pytest.fixture
def any_program(tmp_path):
    """Something that is a program for this machine as far as its first bytes tell."""
    return _elf(tmp_path / "program", platform.machine())


def _elf(path, machine):
    number = {"x86_64": 62, "aarch64": 183}[machine]
    path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + bytes([number, 0]))
    return path


def start(*arguments):
    return subprocess.Popen(
        [*NANODET, *map(str, arguments)], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def ending(process):
    """Return the exit status, the output, and the last line of errors."""
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err, err
    return process.returncode, out, err.splitlines()[-1]


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def pid_of_program(there):
    """Return the number of the program's process, once it measures."""

    def find():
        for exe in Path("/proc").glob("[0-9]*/exe"):
            with contextlib.suppress(OSError):
                if os.readlink(exe).startswith(f"{there}/"):
                    fields = exe.with_name("stat").read_text().rsplit(")", 1)[1].split()
                    if int(fields[11]) / os.sysconf("SC_CLK_TCK") > 0.4:  # loading takes less
                        return int(exe.parent.name)

    return wait_for(find)


def is_running(pid):
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def refusal(capfd, *arguments):
    """Return the one line with which a command refuses."""
    assert main(["bench", *map(str, arguments)]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if ": copying " not in line]
    assert len(lines) == 1, err
    return lines[0].removeprefix("nanodet: error: ")


@pytest.mark.parametrize(
    "folder",
    ["plain", *(pytest.param(one, marks=pytest.mark.slow) for one in ('odd "%h', "l" * 100))],
)
def test_a_shell_that_prints_and_any_temporary_folder(
    cpp_programs, model, sshd, there, tmp_path, monkeypatch, folder
):
    (tmp_path / folder).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / folder))
    options = sshd.options_of("chatty" if folder == "plain" else "user")
    status, _, err = ending(start(
        model, *QUICK, "--target", sshd.target, *options, "--target-dir", there,
        "--program", cpp_programs.bench, "--json", tmp_path / "out.json",
    ))  # fmt: skip
    assert status == 0, err
    assert json.loads((tmp_path / "out.json").read_text())["format"] == 1
    assert list((tmp_path / folder).iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_it_like_ctrl_c(
    cpp_programs, model, at, there, tmp_path, monkeypatch, number
):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    process = start(model, *LONG, *at, "--program", cpp_programs.bench)
    pid_of_program(there)
    process.send_signal(number)
    status, _, err = ending(process)
    assert (status, err) == (128 + number, f"nanodet: stopped by {number.name}")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_one_command_times_there_and_reports_here(cpp_programs, model, at, sshd, tmp_path):
    other = tmp_path / "Modell ü" / model.name
    shutil.copytree(model.parent, other.parent, ignore=shutil.ignore_patterns("*.param", "*.bin"))
    picture, out = tmp_path / "it's.jpg", tmp_path / "out.json"
    cv2.imwrite(str(picture), generated_picture(0, 90, 70))
    status, text, err = ending(start(
        model, other, "--threads", "1,2", "--image", picture, *QUICK, "--cores", "0", *at,
        "--program", cpp_programs.bench, "--json", out,
    ))  # fmt: skip
    assert status == 0, err
    report = json.loads(out.read_text())
    assert report["format"] == 1 and report["command"].startswith("nanodet ")
    assert report["picture"] == f"{picture}, 90 x 70"
    assert report["tool"].startswith("nanodet-bench ")
    assert report["cores"] == {"wanted": "0", "ids": [0]}
    results = report["results"]
    assert [(r["path"], r["threads"]) for r in results] == [
        (str(path), threads) for path in (model, other) for threads in (1, 2)
    ]
    assert {r["name"] for r in results} == {str(model), str(other)}  # they have one name
    assert all(r["engine"].lower().startswith("openvino") and not r["error"] for r in results)
    assert "nanodet-" not in json.dumps([r["path"] for r in results])
    for line in ("network, ms ", "end to end, median us", f"image       {picture}, 90 x 70"):
        assert line in text
    assert text.count("160x96") == 12  # four in each of three tables


def test_a_link_that_breaks_in_mid_run(cpp_programs, model, at, sshd, there, tmp_path):
    out = tmp_path / "out.json"
    process = start(model, *LONG, *at, "--program", cpp_programs.bench, "--json", out)
    program = pid_of_program(there)
    sshd.cut()
    status, text, line = ending(process)
    assert (status, text) == (1, "")
    assert line.startswith(f"nanodet: error: {sshd.target}: the link was lost (")
    assert line.endswith("; the device by itself ends what runs there and removes its folder")
    wait_for(lambda: not is_running(program))
    assert not out.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_here_it_stops_there(cpp_programs, model, at, there, number):
    process = start(model, *LONG, *at, "--program", cpp_programs.bench)
    program = pid_of_program(there)
    # Ctrl-C goes to all of a terminal's group, a kill to one process
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    if number == signal.SIGINT:
        assert ending(process) == (130, "", "nanodet: stopped")
        assert not list(there.iterdir())  # it waited for that
    process.communicate(timeout=30)
    wait_for(lambda: not is_running(program))


def test_a_program_that_fails_there_is_heard_here(cpp_programs, model, at, there, sshd, tmp_path):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    shutil.copy(model.with_suffix(".json"), tmp_path / "bad.json")
    process = start(bad, *QUICK, *at, "--program", cpp_programs.bench)
    status, _, line = ending(process)
    assert status == 1
    assert line.startswith(f"nanodet: error: {sshd.target}: {bad}: ")  # by its name here

    process = start(model, *LONG, *at, "--program", cpp_programs.bench)
    os.kill(pid_of_program(there), signal.SIGKILL)
    status, text, line = ending(process)
    died = f"{sshd.target}: {model.stem}, 1 thread, fp32: its process ended by SIGKILL while running it"
    assert status == 1 and line.startswith(f"nanodet: error: {died}")
    assert f"FAILED      {died}" in text  # what was measured is not lost


def test_a_link_that_breaks_while_it_copies(any_program, at, sshd, there, tmp_path):
    huge = tmp_path / "huge.onnx"
    with open(huge, "wb") as file:
        file.truncate(1 << 30)
    process = start(huge, *at, "--program", any_program)
    wait_for(lambda: any(p.stat().st_size > 1 << 20 for p in there.glob("*/0/huge.onnx")))
    sshd.cut()
    status, text, line = ending(process)
    assert (status, text) == (1, "")
    assert line.startswith(f"nanodet: error: {sshd.target}: the link was lost (")


def test_no_way_in(any_program, model, sshd, there, capfd):
    def refused(target, *options):
        return refusal(capfd, model, "--program", any_program, "--target", target, *options)

    line = refused(sshd.target, *sshd.options_of("stranger"))
    assert "Permission denied (publickey)" in line and "ssh-copy-id" in line
    line = refused(sshd.target, *sshd.options_of("user", known="none"))
    assert "Host key verification failed; connect once by hand: ssh -p " in line
    assert "Connection refused" in refused("ssh:127.0.0.1:1", *sshd.options)
    assert "Could not resolve hostname" in refused("ssh:me@no-such-host.invalid")
    assert "must be ssh:USER@HOST" in refused("ssh:a@b@c")
    assert "must be KEY=VALUE" in refused("ssh:board", "--ssh-option", "key")


def test_nothing_is_asked_of_a_device_that_is_not_needed(model, at, tmp_path, capfd):
    def refused(*arguments):
        return refusal(capfd, *arguments)

    target = ["--target", "ssh:127.0.0.1:1"]  # nobody listens there
    program = ["--program", _elf(tmp_path / "program", platform.machine())]
    assert "cannot read this program (No such file" in refused(
        model, *target, "--program", tmp_path / "no"
    )
    assert "is not a Linux program" in refused(model, *target, "--program", model)
    assert "no such model" in refused("no.onnx", *target, *program)
    assert "is a folder" in refused(model, *target, *program, "--json", tmp_path)
    assert "cannot read this image" in refused(model, *target, *program, "--image", "no.jpg")
    checkpoint = tmp_path / "x.ckpt"
    checkpoint.write_bytes(b"x")
    assert "only .param and .onnx run on a device" in refused(checkpoint, *target, *program)
    assert "must be adb, adb:SERIAL, ssh:HOST" in refused(model, "--target", "telnet:x", *program)
    assert "--governor: is for a device" in refused(model, "--governor", "performance")
    assert "--config: is for checkpoints" in refused(model, *target, "--config", "x.yml")


def test_a_program_for_another_machine(model, at, there, tmp_path, capfd):
    other = "aarch64" if platform.machine() == "x86_64" else "x86_64"
    line = refusal(capfd, model, *at, "--program", _elf(tmp_path / "other", other))
    assert f"is a program for {other}, but the device is {platform.machine()}" in line


def test_a_folder_that_is_not_there(any_program, model, sshd, capfd):
    options = ["--target", sshd.target, *sshd.options, "--target-dir", "/no/such/folder"]
    line = refusal(capfd, model, *options, "--program", any_program)
    assert line.startswith(f"{sshd.target}: cannot make a folder there (") and "No such" in line


@pytest.fixture
def mounted(there):
    """A function that mounts a small file system at the device's folder."""
    mounts = []

    def mount(options):
        words = ["mount", "-t", "tmpfs", "-o", options, "nanodet-test", there]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"this user may mount no file system here: {done.stderr.strip()}")
        mounts.append(there)

    yield mount
    for folder in mounts:
        left = list(folder.iterdir())
        subprocess.run(["umount", folder], check=True)
        assert left == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("size=1m", "there is no space for "),  # df says so
        ("size=100m,nr_inodes=6", "No space left on device"),  # df does not
        ("size=100m,noexec", "nothing can be executed in "),
    ],
)
def test_a_file_system_that_is_no_use(any_program, model, at, mounted, capfd, options, words):
    mounted(options)
    assert words in refusal(capfd, model, *at, "--program", any_program)
