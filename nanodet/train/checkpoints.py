"""Writing checkpoints: the last one and the best one, never half of one."""

import os
from pathlib import Path

import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.plugins.io import TorchCheckpointIO

from nanodet.errors import NanodetError
from nanodet.runtime.files import replacing

LAST = "model_last.ckpt"
BEST = "model_best/model_best.ckpt"
# names of the original's evaluator.save_key, and ours
SAVE_KEYS = {
    "mAP": "AP", "AP_50": "AP50", "AP_75": "AP75", "AP_small": "APs", "AP_m": "APm",
    "AP_l": "APl", "AP": "AP", "AP50": "AP50", "AP75": "AP75", "APs": "APs", "APm": "APm",
    "APl": "APl",
}  # fmt: skip


def save_metric(evaluator, file="config"):
    """Return the metric that ``evaluator.save_key`` names: AP, AP50, ..."""
    if evaluator.save_key not in SAVE_KEYS:
        raise NanodetError(
            f"{file}: evaluator.save_key: {evaluator.save_key!r} is not known; "
            f"known: {', '.join(SAVE_KEYS)}"
        )
    return SAVE_KEYS[evaluator.save_key]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary name, flushes to the disk, then renames."""

    def save_checkpoint(self, checkpoint, path, storage_options=None):
        with replacing(path) as temporary:
            with open(temporary, "wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())


class Checkpoints(Callback):
    """Saves ``model_last.ckpt`` after every epoch and ``model_best/model_best.ckpt`` when better.

    Args:
        folder: the run folder.
        metric: what "better" means: AP, AP50, ...
    """

    def __init__(self, folder, metric):
        self.folder, self.metric = Path(folder), metric
        self.best = None

    def state_dict(self):
        return {"best": self.best}

    def load_state_dict(self, state):
        self.best = state.get("best")

    def on_train_epoch_end(self, trainer, module):
        # every process calls save_checkpoint: Lightning gathers, rank 0 writes
        value = None
        if module.metrics is not None and module.metrics_epoch == trainer.current_epoch:
            value = getattr(module.metrics, self.metric) or 0.0
        better = value is not None and (self.best is None or value > self.best)
        if better:
            self.best = value
            trainer.save_checkpoint(self.folder / BEST)
        trainer.save_checkpoint(self.folder / LAST)
