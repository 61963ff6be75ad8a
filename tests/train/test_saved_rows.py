"""metrics.csv after other programs have saved it: readable rows are continued, the rest is kept."""

import resource
from types import SimpleNamespace

import pytest

from nanodet.errors import NanodetError
from nanodet.train.metrics_csv import COLUMNS, MetricsCsv
from nanodet.train.outputs import METRICS

ROWS = [
    {"epoch": "1", "step": "5", "train/lr": "0.001", "train/loss": "2.5"},
    {"epoch": "1", "step": "6", "val/AP": "0.25"},
    {"epoch": "2", "step": "11", "train/lr": "1e-05", "train/loss": "2.25"},
]
TABLE = [COLUMNS, *([row.get(name, "") for name in COLUMNS] for row in ROWS)]
WRITTEN = "".join(",".join(row) + "\n" for row in TABLE)


def table(delimiter=",", end="\n", quote="", decimal="."):
    return "".join(
        delimiter.join(f"{quote}{value.replace('.', decimal)}{quote}" for value in row) + end
        for row in TABLE
    )


def resumed(folder, step=100):
    """Return the file's text and what is said after a run of ``step`` steps goes on in ``folder``."""
    lines = []
    metrics = MetricsCsv(folder, 1, lines.append)
    trainer = SimpleNamespace(ckpt_path="last.ckpt", global_step=step, is_global_zero=True)
    metrics.on_train_start(trainer, None)
    return (folder / METRICS).read_text(), lines


SAME = {
    "as written": table().encode(),
    "carriage returns": table(end="\r\n").encode(),
    "a mark in front": table().encode("utf-8-sig"),
    "quotes": table(quote='"').encode(),
    "semicolons, decimal commas": table(";", "\r\n", decimal=",").encode("utf-8-sig"),
    "tabs": table("\t").encode(),
    "tabs, decimal commas": table("\t", decimal=",").encode(),
    "UTF-16": table("\t", "\r\n").encode("utf-16"),
    "UTF-16, big": b"\xfe\xff" + table().encode("utf-16-be"),
    "empty lines": table().replace("\n", "\n\n").encode() + b";;;;\n",
    "no last line end": table().rstrip("\n").encode() if TABLE[-1][-1] else table().encode(),
    "whole numbers as others": table().replace("2,11,", "2.0,11.0,").encode(),
}


@pytest.mark.parametrize("data", SAME.values(), ids=SAME)
def test_what_can_be_read_goes_on(tmp_path, data):
    (tmp_path / METRICS).write_bytes(data)
    assert resumed(tmp_path) == (WRITTEN, [])
    assert [path.name for path in tmp_path.iterdir()] == [METRICS]


def test_a_cut_row_and_those_behind_the_checkpoint_are_dropped(tmp_path):
    (tmp_path / METRICS).write_text(WRITTEN + "2,12,0.00")
    assert resumed(tmp_path) == (WRITTEN, [])
    assert resumed(tmp_path, 6)[0] == "".join(WRITTEN.splitlines(True)[:3])


OTHERS = {
    "another table": b"a,b\n1,2\n",
    "bytes": bytes(range(256)),
    "NUL": table().encode().replace(b"2.5", b"\0"),
    "words": table().replace("2.5", "high").encode(),
    "half an epoch": table().replace("2,11", "2,11.5").encode(),
    "no step": table().replace("2,11", "2,").encode(),
    "infinity": table().replace("2,11", "2,inf").encode(),
    "a quote that never ends": table().replace("2.5", '"2.5').encode(),
    "a huge field": WRITTEN.encode() + b"1" * 200_000 + b"\n",
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS)
def test_what_cannot_is_kept_under_another_name(tmp_path, data):
    (tmp_path / METRICS).write_bytes(data)
    text, lines = resumed(tmp_path)
    assert text == ",".join(COLUMNS) + "\n"
    (kept,) = tmp_path.glob("metrics-*.csv")
    assert kept.read_bytes() == data
    assert len(lines) == 1 and kept.name in lines[0] and "a new one is started" in lines[0]


def test_columns_of_others_are_kept_beside(tmp_path):
    data = "".join(line + f",note {n}\n" for n, line in enumerate(WRITTEN.splitlines()))
    (tmp_path / METRICS).write_text(data)
    text, lines = resumed(tmp_path)
    assert text == WRITTEN and "3 of its rows are continued" in lines[0]
    (kept,) = tmp_path.glob("metrics-*.csv")
    assert kept.read_text() == data


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf"])
def test_an_empty_file_begins_anew(tmp_path, data):
    (tmp_path / METRICS).write_bytes(data)
    assert resumed(tmp_path) == (",".join(COLUMNS) + "\n", [])


@pytest.mark.parametrize("limit", ["RLIMIT_NOFILE", "RLIMIT_FSIZE"])
def test_a_row_that_cannot_be_added_leaves_the_others(tmp_path, limit):
    """No descriptor is left to open it with, or its disk is full in the middle of a row."""
    path = tmp_path / METRICS
    path.write_text(WRITTEN)
    trainer = SimpleNamespace(is_global_zero=True, loggers=[])
    kind = getattr(resource, limit)
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (0 if limit == "RLIMIT_NOFILE" else len(WRITTEN) + 5, hard))
    try:
        with pytest.raises(NanodetError, match=rf"{METRICS}: cannot be written"):
            MetricsCsv(tmp_path, 1)._add(trainer, ROWS[0])
    finally:
        resource.setrlimit(kind, (soft, hard))
    assert path.read_text() == WRITTEN
    MetricsCsv(tmp_path, 1)._add(trainer, ROWS[0])
    assert path.read_text() == WRITTEN + WRITTEN.splitlines(keepends=True)[1]


def test_a_column_for_every_loss_that_the_objective_names(tmp_path):
    """They are known with the first batch, and those of a file go on."""
    trainer = SimpleNamespace(
        ckpt_path=None, global_step=5, current_epoch=0, is_global_zero=True, loggers=[],
        optimizers=[SimpleNamespace(param_groups=[{"lr": 0.001}])],
    )  # fmt: skip
    losses = {"loss": 2.5, "loss_toy": 1.5, "aux_loss_toy": 1.0}
    metrics = MetricsCsv(tmp_path, 1)
    metrics.on_train_start(trainer, None)
    metrics.on_train_batch_end(trainer, SimpleNamespace(losses=losses), None, None, 0)
    metrics.on_train_batch_end(trainer, SimpleNamespace(losses=losses), None, None, 1)
    header, *rows = (tmp_path / METRICS).read_text().splitlines()
    assert header == "epoch,step,train/lr,train/loss,train/loss_toy,train/aux_loss_toy," + (
        "val/AP,val/AP50,val/AP75,val/APs,val/APm,val/APl"
    )
    assert rows == ["1,5,0.001,2.5,1.5,1.0,,,,,,"] * 2
    assert resumed(tmp_path) == ("\n".join([header, *rows, ""]), [])
