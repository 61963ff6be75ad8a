"""Writes the last and the best checkpoint, each completely or not at all."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.plugins.io import TorchCheckpointIO

from nanodet.config.schema import Evaluator
from nanodet.files import StrPath
from nanodet.files.files import replacing
from nanodet.model.save_plain import save_plain
from nanodet.train.module import TrainingModule
from nanodet.train.outputs import BEST, LAST

# names of the original's evaluator.save_key, and ours
SAVE_KEYS = {
    "mAP": "AP", "AP_50": "AP50", "AP_75": "AP75", "AP_small": "APs", "AP_m": "APm",
    "AP_l": "APl", "AP": "AP", "AP50": "AP50", "AP75": "AP75", "APs": "APs", "APm": "APm",
    "APl": "APl",
}  # fmt: skip


def save_metric(evaluator: Evaluator) -> str:
    """Return the metric that ``evaluator.save_key`` names: AP, AP50, ..."""
    return SAVE_KEYS[evaluator.save_key]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary name, flushes to the disk, then renames."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: StrPath, storage_options: Any = None
    ) -> None:
        with replacing(path) as temporary:
            save_plain(checkpoint, temporary)


class Checkpoints(Callback):
    """Saves every epoch, validates when it is due, and keeps the best.

    ``model_last.ckpt`` is written before each validation and again after it, so that a failure during
    validation loses no training. A run that is resumed in between validates first.
    ``model_best/model_best.ckpt`` is written when a validation is better, and never if the metric is
    undefined.

    Args:
        folder: the run folder.
        metric: what "better" means: AP, AP50, ...
        epochs: of the whole run; the last one is always validated.
        interval: epochs from one validation to the next.
    """

    def __init__(self, folder: StrPath, metric: str, epochs: int, interval: int) -> None:
        self.folder, self.metric = Path(folder), metric
        self.epochs, self.interval = epochs, interval
        self.best = None
        self.due = False  # the current weights have yet to be validated

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "due": self.due}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.due = state.get("best"), state.get("due", False)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, module: Any, checkpoint: dict[str, Any]
    ) -> None:
        # Lightning skips a run whose epochs are all done, but its last validation may be missing
        trainer.fit_loop.max_epochs = self.epochs + 1

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        trainer.fit_loop.max_epochs = self.epochs
        if self.due:
            self._validate(trainer, module)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        self.due = module.epochs_done == self.epochs or module.epochs_done % self.interval == 0
        trainer.save_checkpoint(self.folder / LAST)
        if self.due:
            self._validate(trainer, module)

    def _validate(self, trainer: pl.Trainer, module: TrainingModule) -> None:
        # as Lightning's loop does at the end of an epoch, but after saving
        trainer.validating = True
        trainer.fit_loop.epoch_loop.val_loop.run()
        trainer.training = True
        self.due = False
        value = getattr(module.metrics, self.metric)  # None: no objects to measure it on
        # every process calls save_checkpoint: Lightning gathers, rank 0 writes
        if value is not None and (self.best is None or value > self.best):
            self.best = value
            trainer.save_checkpoint(self.folder / BEST)
        trainer.save_checkpoint(self.folder / LAST)
