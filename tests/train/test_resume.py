"""A training killed in mid-epoch and resumed equals one that was left alone."""

import contextlib
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import termios
import time

import pytest
import pytorch_lightning as pl
import torch

from nanodet.cli.main import main
from nanodet.config import load_config
from nanodet.train import precision
from nanodet.train.trainer import train


@pytest.fixture(autouse=True)
def one_thread():
    """As in the run that is compared with: sums depend on how they are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def read(folder):
    checkpoint = torch.load(folder / "model_last.ckpt", map_location="cpu", weights_only=True)
    with open(folder / "metrics.csv", newline="") as file:
        return checkpoint, list(csv.DictReader(file))


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_killed_and_resumed_equals_uninterrupted(root, trained, small_config, tmp_path, workers):
    keys = {"device.workers_per_gpu": workers, "data.train.cache": workers == 0}
    config, folder = small_config(**trained.keys, **keys), tmp_path / "run"
    # killed without warning once the second epoch has begun
    screen, terminal = os.openpty()  # on a terminal a bar tells every step
    termios.tcsetwinsize(screen, (24, 120))
    process = subprocess.Popen(
        [sys.executable, str(root / "tools" / "train.py"), str(config)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    os.set_blocking(screen, False)
    deadline = time.monotonic() + 200
    seen = b""
    while not re.search(rb"Epoch 2/2: [^\r]* [1-5]/6 ", seen):
        assert process.poll() is None, seen[-2000:]
        assert time.monotonic() < deadline, seen[-2000:]
        with contextlib.suppress(BlockingIOError):
            seen += os.read(screen, 65536)
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    os.close(screen)
    assert (folder / "model_last.ckpt").is_file()
    first, _ = read(folder)
    assert first["epoch"] == 0

    # what a kill while writing leaves behind must not be read
    (folder / ".nanodet-tmp-abcd1234.ckpt").write_bytes(b"half a checkpoint")
    train(load_config(config, ["schedule.resume=true"]), say=lambda line: None)
    assert not (folder / ".nanodet-tmp-abcd1234.ckpt").exists()
    expected, expected_rows = read(trained.folder)
    assert any(name.startswith("avg_model.") for name in expected["state_dict"])
    assert_same_run(*read(folder), expected, expected_rows)


def assert_same_run(found, found_rows, expected, expected_rows):
    names = expected["state_dict"].keys()
    assert found["state_dict"].keys() == names
    for name in names:
        difference = (
            found["state_dict"][name].double() - expected["state_dict"][name].double()
        ).abs()
        assert difference.max() <= 1e-6, name
    assert [row["step"] for row in found_rows] == [row["step"] for row in expected_rows]
    for mine, theirs in zip(found_rows, expected_rows, strict=True):
        assert mine.keys() == theirs.keys()
        for key in mine:
            a, b = mine[key], theirs[key]
            assert (a == b) or float(a) == pytest.approx(float(b), abs=1e-6), (mine, theirs)


class Crash(pl.Callback):
    """Raises in the ``count``-th call of a hook."""

    def __init__(self, hook, count):
        self.left = count
        setattr(self, hook, self.crash)

    def crash(self, *args):
        self.left -= 1
        if not self.left:
            raise RuntimeError("crash")


@pytest.mark.slow
def test_a_crash_in_a_validation_costs_no_training(trained, small_config, tmp_path):
    folder, lines = tmp_path / "run", []
    config = small_config(**trained.keys, **{"schedule.resume": True})
    # in mid-validation; then, after that was made up for, between a validation's row and its checkpoint
    for epochs, crash in (
        (1, Crash("on_validation_batch_end", 1)),
        (2, Crash("on_validation_end", 2)),
    ):
        with pytest.raises(RuntimeError, match="crash"):
            train(load_config(config), callbacks=[crash])
        checkpoint, _ = read(folder)
        assert checkpoint["nanodet"]["epochs"] == epochs
        assert checkpoint["callbacks"]["Checkpoints"]["due"]
        assert (folder / "model_best" / "model_best.ckpt").is_file() == (epochs == 2)
    metrics = train(load_config(config), say=lines.append)
    assert metrics.to_dict() == trained.metrics.to_dict()
    assert any(line.startswith("epoch 2/2  AP") for line in lines), lines
    assert_same_run(*read(folder), *read(trained.folder))
    assert [row["epoch"] for row in read(folder)[1]] == ["1"] * 4 + ["2"] * 4


def test_metrics_of_an_earlier_version_go_on_counting_from_one(trained, small_config, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained.folder, folder)
    path = folder / "metrics.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *(f"{int(row[0]) - 1}{row[1:]}" for row in rows)]) + "\n")
    train(
        load_config(
            small_config(**trained.keys), ["schedule.total_epochs=3", "schedule.resume=true"]
        )
    )
    assert [row["epoch"] for row in read(folder)[1]] == ["1"] * 4 + ["2"] * 4 + ["3"] * 4


def test_a_precision_that_was_chosen_is_kept(trained, small_config, tmp_path, monkeypatch):
    """The comparison says otherwise where other work shares the CPU."""
    keys = {**trained.keys, "device.precision": "auto", "schedule.resume": True}
    config, lines = small_config(**keys), []
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: True)
    monkeypatch.setattr(precision, "bf16_speed", lambda *_: 1.2)
    with pytest.raises(RuntimeError, match="crash"):
        train(load_config(config), callbacks=[Crash("on_validation_batch_end", 1)])
    assert read(tmp_path / "run")[0]["nanodet"]["precision"] == "bf16-mixed"
    monkeypatch.setattr(precision, "bf16_speed", lambda *_: 0.9)
    train(load_config(config), say=lines.append)
    assert "device.precision: auto: bf16-mixed (as the run began)" in lines
    assert read(tmp_path / "run")[0]["nanodet"]["precision"] == "bf16-mixed"


# what a checkpoint of another program, or a damaged one, may hold beside weights that are fine
STATES = {
    "no state of an optimizer": lambda raw: raw.update(optimizer_states=[]),
    "a number for a state": lambda raw: raw.update(optimizer_states=[5]),
    "other parameters": lambda raw: raw["optimizer_states"][0]["param_groups"].pop(),
    "a state of another form": lambda raw: raw["optimizer_states"][0].update(state={0: {"step": "x"}}),
    "no progress": lambda raw: raw.update(loops={}),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_a_run_that_cannot_be_restored_is_one_line(trained, small_config, tmp_path, capfd, state):
    keys = {**trained.keys, "schedule.total_epochs": 3, "schedule.resume": True}
    config, last = small_config(**keys), tmp_path / "run" / "model_last.ckpt"
    shutil.copytree(trained.folder, tmp_path / "run")
    raw = torch.load(last, weights_only=True)
    STATES[state](raw)
    torch.save(raw, last)
    damaged = last.read_bytes()
    assert main(["train", str(config)]) == 1
    lines = [line for line in capfd.readouterr().err.splitlines() if "error" in line]
    assert len(lines) == 1 and str(last) in lines[0]
    assert last.read_bytes() == damaged


def test_pipes_in_a_run_folder(small_config, tmp_path, capfd):
    """One in place of the checkpoint is told, one in place of metrics is replaced; neither is waited for."""
    run = tmp_path / "run"
    run.mkdir()
    for name in ("metrics.csv", "model_last.ckpt"):
        os.mkfifo(run / name)
    assert main(["train", str(small_config(**{"schedule.resume": True}))]) == 1
    assert f"{run / 'model_last.ckpt'}: cannot read this checkpoint (it is a device or a pipe" in (
        capfd.readouterr().err
    )
    (run / "model_last.ckpt").unlink()
    keys = {"schedule.total_epochs": 1, "schedule.resume": True}
    assert main(["train", str(small_config(**keys))]) == 0
    assert (run / "metrics.csv").read_text().startswith("epoch,step,")
