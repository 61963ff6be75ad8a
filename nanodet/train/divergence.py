"""A loss that is no longer a number: noticed before it is saved, and its cause named."""

from collections import deque

import numpy as np
import torch
from pytorch_lightning.callbacks import Callback

from nanodet.data.loader import normalise_batch
from nanodet.errors import NanodetError
from nanodet.train.checkpoints import LAST

HISTORY = 200  # losses looked back on
LARGE_INPUT = 1e4  # images of mean 0 and deviation 1 have no such values


def not_finite(tensors):
    """Return the names in a mapping of tensors whose values are not all finite numbers."""
    return [
        name for name, tensor in tensors.items()
        if tensor.is_floating_point() and not torch.isfinite(tensor).all()
    ]  # fmt: skip


class Divergence(Callback):
    """Ends a training with one line when its loss or its weights are no longer numbers.

    Must come before `Checkpoints`, so that such weights never replace good ones.

    Args:
        folder: the run folder, a `Path`.
        interval: batches between looks at the loss; on a CPU every one is looked at, while
            elsewhere a look waits for the device.
        records: the training set's ``pictures``.
    """

    def __init__(self, folder, interval, records):
        self.folder, self.interval, self.records = folder, interval, records
        self.recent = deque(maxlen=HISTORY)  # (step, loss); from the oldest
        self._batch, self._unseen = None, 0

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self._batch = batch

    def on_before_backward(self, trainer, module, loss):
        loss = module.losses["loss"]  # not the one that is scaled
        self.recent.append((trainer.global_step + 1, loss))
        self._unseen += 1
        if loss.device.type == "cpu" or self._unseen >= min(self.interval, HISTORY):
            self._look(trainer, module)

    def on_train_epoch_end(self, trainer, module):
        self._look(trainer, module)
        if not_finite(module.state_dict()):
            self._stop(trainer, module, trainer.global_step)

    def _look(self, trainer, module):
        if not self._unseen:
            return
        steps = list(self.recent)[-self._unseen :]
        self._unseen = 0
        losses = torch.stack([loss for _, loss in steps])
        wrong = (~torch.isfinite(losses)).cpu()
        if wrong.any():
            self._stop(trainer, module, steps[int(wrong.int().argmax())][0])

    def _stop(self, trainer, module, step):
        losses = [float(loss) for at, loss in self.recent if at < step]
        kept = ""
        if (self.folder / LAST).is_file():
            kept = f"; {self.folder / LAST} is left as it was after epoch {trainer.current_epoch}"
        raise NanodetError(
            f"the loss is no longer a number at step {step} (epoch {trainer.current_epoch + 1}): "
            f"{explain(module, self._batch, losses, self.records)}{kept}"
        )


@torch.no_grad()
def explain(module, batch, losses, records):
    """Return the likely cause of a loss that is no number, and what to do, as one line.

    Args:
        module: the `TrainingModule`.
        batch: the `Batch` of that loss.
        losses: the losses before it, from the oldest.
        records: the training set's ``pictures``.
    """
    config = module.config
    optimizer = config.schedule.optimizer
    remedy = f"start again with a lower schedule.optimizer.lr (now {optimizer.lr:g})" + (
        " and a grad_clip, such as 35"
        if config.grad_clip is None
        else f" or a lower grad_clip (now {config.grad_clip:g})"
    )
    images = normalise_batch(batch.images, batch.contents, *config.data.train.pipeline.normalize)
    largest = float(images.abs().max())
    if not largest < LARGE_INPUT:
        return (
            f"data.train.pipeline.normalize makes values of {largest:.2g} of the images: correct its "
            f"mean and std, which are in grey levels of 0 to 255"
        )
    if not not_finite(module.model.state_dict()):
        size = (images.shape[3], images.shape[2])
        output = module.model(images)
        if torch.isfinite(output).all():
            for i in range(len(batch)):
                lists = (batch.boxes[i : i + 1], batch.labels[i : i + 1], batch.ignored[i : i + 1])
                targets = module.criterion.targets(*lists, size, images.device)
                if not torch.isfinite(
                    sum(module.criterion(output[i : i + 1], targets, size).values())
                ):
                    return _blame(batch, i, records)
            if str(config.device.precision).startswith("16"):
                return "half precision overflowed: set device.precision: bf16-mixed or 32"
    if len(losses) < 3:
        start = config.schedule.load_model
        return f"at the very start: {remedy}" + (
            f", or from other weights than {start}" if start else ""
        )
    before = float(np.median(losses[: len(losses) // 2 + 1]))
    return f"it went from {before:.3g} to {losses[-1]:.3g} before: {remedy}"


def _blame(batch, i, records):
    boxes = batch.boxes[i].abs().amax(dim=1) if len(batch.boxes[i]) else torch.zeros(0)
    worst = f" (box {int(boxes.nan_to_num(torch.inf).argmax()) + 1})" if len(boxes) else ""
    return (
        f"the annotation of {records[batch.indices[i]].path}{worst} cannot be learned from: correct "
        f"it, or leave the image out"
    )
