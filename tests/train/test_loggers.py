"""Experiment loggers: written without a network, once, and only where they are asked for."""

import csv
import importlib.util
import json
import re
import sqlite3
import sys

import pytest
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers.logger import DummyLogger

from nanodet import NanodetError
from nanodet.cli.main import main
from nanodet.config import load_config
from nanodet.train.loggers import Lasting, Mlflow, Wandb, start_loggers
from nanodet.train.trainer import train


def installed(*names):
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def run(path, capsys):
    assert main(["train", str(path)]) == 0
    folder = path.parent / "run"
    with open(folder / "metrics.csv", newline="") as file:
        rows = [
            {name: float(v) for name, v in row.items() if "/" in name and v}
            | {"step": int(row["step"])}
            for row in csv.DictReader(file)
        ]
    return folder, rows, capsys.readouterr().out


@pytest.fixture()
def short(small_config):
    """A config of one epoch of three steps, with its loggers."""
    return lambda logger: small_config(
        logger=logger, **{"schedule.total_epochs": 1, "device.batchsize_per_gpu": 8}
    )


def test_csv_alone_is_metrics_csv_alone(short, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # which is not needed then
    folder, rows, _ = run(short("csv"), capsys)
    assert len(rows) == 4 and not (folder / "tensorboard").exists()


def test_an_unknown_logger_is_one_line(short, capsys):
    assert main(["train", str(short(["csv", "wandbb"]))]) == 1
    error = capsys.readouterr().err
    assert re.search(r"logger: 'wandbb' is not supported; known: csv, tensorboard, wandb", error)


@pytest.mark.parametrize("name", ["wandb", "mlflow", "tensorboard"])
def test_a_package_that_is_missing_is_one_line(short, capsys, monkeypatch, name, tmp_path):
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["train", str(short(name))]) == 1
    error = capsys.readouterr().err
    assert f"small.yml: logger: {name} needs {name}" in error and error.count("\n") == 1
    assert f"pip install {name}" in error and not (tmp_path / "run").exists()


class Lost:
    """A logger whose server goes away."""

    def __init__(self):
        self.got = []

    def log_metrics(self, numbers, step):
        self.got.append((step, numbers))
        if step == 2:
            raise ConnectionError("no route to host\nmore lines")


def test_a_server_that_goes_away_ends_no_training(short):
    lost, lines = Lost(), []

    class Adds(Callback):
        def on_train_start(self, trainer, module):
            trainer.loggers = [lost]

    train(load_config(short("csv")), say=lines.append, callbacks=[Adds()])
    assert [step for step, _ in lost.got] == [1, 2]
    assert set(lost.got[0][1]) == {
        f"train/{name}" for name in ("lr", "loss", "loss_qfl", "loss_bbox", "loss_dfl")
    }
    told = [line for line in lines if line.startswith("warning: logger:")]
    assert told == ["warning: logger: lost: no route to host: nothing more is written there"]


@installed("mlflow", "sqlalchemy", "alembic")
def test_mlflow_without_a_server(short, capsys, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    folder, rows, _ = run(short(["mlflow", "tensorboard"]), capsys)
    assert (folder / "tensorboard").exists()
    with sqlite3.connect(folder / "mlflow.db") as base:
        found = base.execute("select key, step, value from metrics").fetchall()
        assert base.execute("select value from params where key = 'seed'").fetchone() == ("3",)
        assert base.execute("select status, name from runs").fetchall() == [("FINISHED", "run")]
    wanted = [(k, row["step"], v) for row in rows for k, v in row.items() if k != "step"]
    assert sorted(found) == sorted(wanted)


@installed("wandb")
def test_wandb_offline(short, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder, rows, _ = run(short("wandb"), capsys)
    (one,) = (folder / "wandb").glob("offline-run-*")
    assert next(one.glob("*.wandb")).stat().st_size > 1000
    summary = one / "files" / "wandb-summary.json"
    if summary.exists():
        assert json.loads(summary.read_text())["val/AP"] == rows[-1]["val/AP"]


def test_a_server_that_is_gone_at_the_end_is_a_warning(capsys):
    class Server(DummyLogger):
        def finalize(self, status):
            raise ConnectionError(f"no route to host for {status}\nmore lines")

    class Gone(Lasting, Server):
        pass

    Gone().finalize("success")
    line = "nanodet: warning: logger: gone: no route to host for success: its end is not written there\n"
    assert capsys.readouterr().err == line
    assert all(issubclass(one, Lasting) for one in (Wandb, Mlflow))


def test_a_server_that_refuses_is_one_line(short):
    class Refuses:
        def log_hyperparams(self, values):
            assert values["schedule.total_epochs"] == 1
            raise PermissionError("no API key\nmore lines")

    with pytest.raises(NanodetError, match=r"^c\.yml: logger: refuses: no API key$"):
        start_loggers([Refuses()], load_config(short("csv")), "c.yml")
