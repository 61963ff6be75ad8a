"""Ctrl-C, SIGTERM and SIGHUP end a command whatever it is doing, and nothing makes another end of it."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from nanodet import stopping
from nanodet.cli.main import run_command
from nanodet.errors import NanodetError
from nanodet.stopping import SIGNALS, Stopping, check_stopped, held_back

LINES = {
    signal.SIGINT: "nanodet: stopped\n",
    signal.SIGTERM: "nanodet: stopped by SIGTERM\n",
    signal.SIGHUP: "nanodet: stopped by SIGHUP\n",
}


def started(root, code, *words, path=(), **options):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, root)))},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def swallow(number):
    try:
        signal.raise_signal(number)
    except KeyboardInterrupt:
        pass


def become(kind):
    """Return a function that does as C++ does, and an import: the exception becomes another."""

    def function(number):
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise kind("something else") from None

    return function


class InDestructor:
    def __init__(self, number):
        self._number = number

    def __del__(self):
        signal.raise_signal(self._number)


def lose(number):
    InDestructor(number)
    time.sleep(10)


def is_held_back(number):
    done = []
    with held_back():
        signal.raise_signal(number)
        done.append("in one piece")
        with held_back():
            pass
        done.append("all of it")
    pytest.fail(f"went on after {done}")


def is_impatient(number):
    with held_back():
        signal.raise_signal(number)
        time.sleep(0.1)
        signal.raise_signal(number)
        pytest.fail("waits for ever")


def is_noticed_later(number):
    swallow(number)
    check_stopped()
    pytest.fail("went on")


def is_in_another_context(number):
    with Stopping(ask=lambda: None):
        signal.raise_signal(number)
    raise NanodetError("the stream ended")


@pytest.mark.parametrize("number", SIGNALS)
def test_what_becomes_of_the_exception_does_not_count(number, capsys, monkeypatch):
    monkeypatch.setattr(stopping, "PATIENCE_S", 0.05)
    functions = [swallow, lose, is_held_back, is_impatient, is_noticed_later, is_in_another_context]
    kinds = (ImportError, RuntimeError, NanodetError, SystemExit, OSError, MemoryError)
    for function in (*functions, *map(become, kinds)):
        before = [signal.getsignal(one) for one in SIGNALS], sys.unraisablehook
        began = time.monotonic()
        assert run_command(function, number) == 128 + number
        assert capsys.readouterr().err == LINES[number]
        assert time.monotonic() - began < 5
        assert ([signal.getsignal(one) for one in SIGNALS], sys.unraisablehook) == before
        assert signal.set_wakeup_fd(-1) == -1
    assert run_command(print) == 0  # and is forgotten
    assert "signals" not in [thread.name for thread in threading.enumerate() if thread.is_alive()]


# ONNX Runtime runs a loop without end; `Detector` refuses the graph
NATIVE = """
import sys
import numpy as np
import onnxruntime
from nanodet.cli.main import run_command
from nanodet import stopping
stopping.PATIENCE_S, stopping.ANSWER_S = 1.0, 0.3

def run():
    session = onnxruntime.InferenceSession(sys.argv[1])
    (data,) = session.get_inputs()
    with stopping.held_back():  # until it runs
        print("runs", flush=True)
        session.run(None, {data.name: np.zeros(data.shape, np.float32)})

sys.exit(run_command(run))
"""


def test_native_code_that_does_not_come_back_is_ended_by_a_later_signal(root, tmp_path):
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package)
    from box_model import write_box_model
    from endless_onnx import hostile_models

    model = tmp_path / "m.onnx"
    endless, _ = hostile_models(write_box_model(model))["endless loop"]
    model.write_bytes(endless.SerializeToString())
    process = started(root, NATIVE, model)
    try:
        assert process.stdout.readline() == "runs\n"
        for _ in range(2):  # the same wish
            process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
        assert process.stderr.read() == LINES[signal.SIGTERM]
    finally:
        process.kill()
        process.communicate()


PATIENT = """
import sys, time
from nanodet.cli.main import run_command

def run():
    try:
        print("runs", flush=True)
        time.sleep(20)
    finally:
        for _ in range(100):  # cleans up
            time.sleep(0.01)
        print("clean", flush=True)

sys.exit(run_command(run))
"""


def test_a_single_signal_lets_it_clean_up_as_long_as_it_takes(root):
    process = started(root, PATIENT)
    assert process.stdout.readline() == "runs\n"
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20) == ("clean\n", LINES[signal.SIGTERM])
    assert process.returncode == 143


# a module of Python's that commands need, and which is interrupted while it is imported
INTERRUPTED = """
import os, signal
try: signal.raise_signal(int(os.environ["NUMBER"]))
except KeyboardInterrupt: raise ImportError("half of it", name="shlex")
"""
ENDED = """
import atexit, os, signal, sys, threading, time
from nanodet.cli.main import entry
number = int(os.environ["NUMBER"])
sys.argv = ["nanodet", "--version"]
if sys.argv[1:] and os.environ["WHEN"] == "first":
    atexit.register(signal.raise_signal, number)  # what is registered first is called last
elif os.environ["WHEN"] == "thread":
    def tell():
        while threading.main_thread().is_alive(): time.sleep(0.01)
    def later():
        time.sleep(0.3); signal.pthread_kill(threading.main_thread().ident, number); tell()
    threading.Thread(target=later).start()
entry()
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_the_start_and_the_end(root, tmp_path, number, monkeypatch):
    monkeypatch.setenv("NUMBER", str(int(number)))
    (tmp_path / "shlex.py").write_text(INTERRUPTED)
    code = "from nanodet.cli.main import entry; entry()"
    process = started(root, code, "--version", path=[tmp_path])
    assert (process.communicate(timeout=20)[1], process.returncode) == (LINES[number], 128 + number)
    monkeypatch.setenv("WHEN", "first")
    process = started(root, ENDED)
    assert process.communicate(timeout=20)[1] == "" and process.returncode == 0
    monkeypatch.setenv("WHEN", "thread")
    process = started(root, ENDED)
    assert (process.communicate(timeout=20)[1], process.returncode) == (LINES[number], 128 + number)


@pytest.mark.slow
def test_a_signal_waits_until_torch_has_traced(small_checkpoint, tmp_path, capsys, monkeypatch):
    pytest.importorskip("onnx")
    from nanodet.cli.main import main
    from nanodet.export.graph import ExportGraph

    forward, traced = ExportGraph.forward, []

    def interrupted(self, data):
        signal.raise_signal(signal.SIGTERM)
        traced.append(forward(self, data))
        return traced[-1]

    monkeypatch.setattr(ExportGraph, "forward", interrupted)
    out = tmp_path / "out"
    assert main(["export", str(small_checkpoint), "--formats", "onnx", "--out", str(out)]) == 143
    assert traced and not [*out.rglob("*")]
    assert capsys.readouterr().err == LINES[signal.SIGTERM]
