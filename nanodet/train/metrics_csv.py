"""Loss, learning rate and AP over the steps, as metrics.csv and for the config's loggers."""

import contextlib
import csv
import datetime
import errno
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from nanodet.data.loader import Batch
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import SUMMARY
from nanodet.files import StrPath
from nanodet.files.files import replacing, unwritable
from nanodet.files.inputs import METRICS, read_bytes
from nanodet.text import Say
from nanodet.train.loggers import name_of, reason
from nanodet.train.outputs import METRICS as CSV
from nanodet.train.saved_rows import saved_rows

ROW_BYTES = 600  # of a row and its events for TensorBoard, with six losses and their sum
_TRAINING, _VALIDATION = "train/", "val/"
COLUMNS = (
    "epoch", "step", f"{_TRAINING}lr", f"{_TRAINING}loss",
    *(f"{_VALIDATION}{name}" for name in SUMMARY),
)  # fmt: skip


Row = dict[str, Any]  # column to what its cell holds: a whole number or a text


class MetricsCsv(Callback):
    """Writes a row every ``interval`` batches and after every validation.

    Epochs count from 1. Each row is written to the file at once; a resumed run drops the rows after its
    checkpoint, so that no step is missing or occurs twice. The columns are `COLUMNS`, and one for each
    loss that the objective names.

    Args:
        folder: the run folder.
        interval: batches per row.
        say: gets a line for the user about a file that another program has changed.
    """

    def __init__(self, folder: StrPath, interval: int, say: Say = print) -> None:
        self.path, self.interval, self.say = Path(folder) / CSV, interval, say
        self.rows: list[Row] = []
        self.columns: tuple[str, ...] = COLUMNS

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        self.rows = []
        if trainer.ckpt_path and self.path.is_file():
            rows = self._saved(trainer)
            if any(row["epoch"] == "0" for row in rows):  # written by an earlier version
                rows = [{**row, "epoch": int(row["epoch"]) + 1} for row in rows]
            self.rows = [row for row in rows if int(row["step"]) <= trainer.global_step]
        self._rewrite(trainer)

    def _saved(self, trainer: pl.Trainer) -> list[Row]:
        """Return the rows of the file, and keep a copy if any of its content would be lost."""
        data = read_bytes(self.path, METRICS)
        try:
            rows, whole = saved_rows(
                data, lambda name: name in COLUMNS or name.startswith(_TRAINING)
            )
        except ValueError:  # not a table that we wrote
            rows, whole = [], False
        if not whole and trainer.is_global_zero:
            kept = self.path.with_name(f"metrics-{datetime.datetime.now():%Y%m%d-%H%M%S}.csv")
            with replacing(kept) as temporary:
                temporary.write_bytes(data)
            what = f"{len(rows)} of its rows are continued" if rows else "a new one is started"
            self.say(
                f"{self.path}: was changed by another program: kept as {kept.name}, {what} here"
            )
        return rows

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if batch_idx % self.interval:
            return
        row: Row = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        row[f"{_TRAINING}lr"] = repr(trainer.optimizers[0].param_groups[0]["lr"])
        row |= {f"{_TRAINING}{name}": repr(float(loss)) for name, loss in module.losses.items()}
        self._add(trainer, row)

    def on_validation_end(self, trainer: pl.Trainer, module: Any) -> None:
        row: Row = {"epoch": module.metrics_epoch, "step": trainer.global_step}
        # a validation that is repeated after a resume may already have a row
        kept = [r for r in self.rows if r.get(f"{_TRAINING}lr") or int(r["step"]) != row["step"]]
        if len(kept) < len(self.rows):
            self.rows = kept
            self._rewrite(trainer)
        for name in SUMMARY:
            value = getattr(module.metrics, name)
            row[f"{_VALIDATION}{name}"] = "" if value is None else repr(float(value))
        self._add(trainer, row)

    def _add(self, trainer: pl.Trainer, row: Row) -> None:
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        if not set(row) <= set(self.columns):
            self._rewrite(trainer)
        else:
            self._append(row)
        numbers = {k: float(v) for k, v in row.items() if "/" in k and v != ""}
        for logger in trainer.loggers:
            try:
                logger.log_metrics(numbers, step=trainer.global_step)
            except NanodetError:
                raise
            except Exception as error:  # of a server: a training need not end with it
                trainer.loggers = [one for one in trainer.loggers if one is not logger]
                why = f"{name_of(logger)}: {reason(error)}"
                self.say(f"warning: logger: {why}: nothing more is written there")

    def _append(self, row: Mapping[str, Any]) -> None:
        try:
            with open(self.path, "ab", buffering=0) as file:
                _append(file, _text([row], self.columns, header=file.tell() == 0).encode())
        except OSError as error:
            raise unwritable(self.path, error) from None

    def _rewrite(self, trainer: pl.Trainer) -> None:
        found = dict.fromkeys(name for row in self.rows for name in row if name not in COLUMNS)
        first = next(i for i, name in enumerate(COLUMNS) if name.startswith(_VALIDATION))
        self.columns = (*COLUMNS[:first], *found, *COLUMNS[first:])
        if trainer.is_global_zero:
            with replacing(self.path) as temporary:  # replaces anything at this path, even a pipe
                temporary.write_text(_text(self.rows, self.columns, header=True), encoding="utf-8")


def _append(file: IO[bytes], data: bytes) -> None:
    """Append all of ``data`` to an open file, or nothing."""
    size = file.tell()
    try:
        if file.write(data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(size)
        raise


def _text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], header: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
