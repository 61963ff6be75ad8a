"""The progress of a training: a bar on a terminal, a line per epoch in a log."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, TQDMProgressBar
from tqdm import tqdm

from nanodet.text import Say
from nanodet.train.module import TrainingModule


class EpochBar(TQDMProgressBar):
    """Lightning's bar, counting epochs from 1, without the bar of each validation."""

    def get_metrics(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, module)
        metrics.pop("v_num", None)  # the name of the TensorBoard folder
        return metrics

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        super().on_train_epoch_start(trainer, *args)
        epoch = f"Epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self.train_progress_bar.set_description(epoch)

    def init_validation_tqdm(self) -> Any:
        return tqdm(disable=True)


class EpochLines(Callback):
    """One line an epoch: loss, AP where it was measured, seconds, and the minutes left.

    Args:
        say: gets the lines.
    """

    def __init__(self, say: Say) -> None:
        self.say = say

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        self.started, self.first = time.monotonic(), module.epochs_done
        if module.metrics_epoch is not None:
            parts = [f"epoch {self.first}/{trainer.max_epochs}", *_values(module)]
            self.say("  ".join([*parts, "validated after resuming"]))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        done = module.epochs_done
        taken = (time.monotonic() - self.started) / (done - self.first)
        parts = [f"epoch {done}/{trainer.max_epochs}", f"loss {float(module.losses['loss']):.3f}"]
        parts += _values(module)
        left = taken * (trainer.max_epochs - done) / 60
        self.say("  ".join([*parts, f"{taken:.1f} s an epoch", f"{left:.0f} min left"]))


def _values(module: TrainingModule) -> list[str]:
    """Return the AP of the last epoch as text; nothing if it was not validated or has none."""
    metrics = module.metrics
    if metrics is None or metrics.AP is None or module.metrics_epoch != module.epochs_done:
        return []
    return [f"AP {metrics.AP:.2f}", f"AP50 {metrics.AP50:.2f}"]
