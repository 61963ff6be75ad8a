"""TensorBoard's events of a run: a full disk is reported in one line that names the file."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment

from nanodet.errors import NanodetError
from nanodet.files.files import DISK_ERRORS, unwritable


class EventLog(TensorBoardLogger):
    """Lightning's logger; its methods raise a `NanodetError` where it raises an `OSError`."""

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        with self._one_line():
            return super().experiment

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        with self._one_line():
            super().log_metrics(metrics, step)

    def save(self) -> None:
        with self._one_line():
            super().save()

    def finalize(self, status: str) -> None:
        with self._one_line():
            super().finalize(status)

    @contextlib.contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            # Lightning reports any error as a value of a kind that cannot be logged
            reason = error.__cause__ if isinstance(error, ValueError) else error
            if isinstance(reason, OSError):
                reason = unwritable(self.log_dir, reason)
            if isinstance(reason, NanodetError):
                raise reason from None
            raise


@contextlib.contextmanager
def disk_errors_of_threads() -> Iterator[None]:
    """Keep Python from printing, inside the block, that a thread met a full disk.

    TensorBoard writes in a thread, and raises the error again at its next call.
    """
    before = threading.excepthook

    def report(args: threading.ExceptHookArgs) -> None:
        if not (isinstance(args.exc_value, OSError) and args.exc_value.errno in DISK_ERRORS):
            before(args)

    threading.excepthook = report
    try:
        yield
    finally:
        threading.excepthook = before
