"""Stops a training whose loss is no longer a number before it is saved, and names the cause."""

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, distributed

from nanodet.data.loader import Batch
from nanodet.data.records import Picture
from nanodet.errors import NanodetError
from nanodet.train.module import TrainingModule, ground_truths, normalised, total
from nanodet.train.outputs import LAST

HISTORY = 200  # losses that are remembered
LARGE_INPUT = 1e4  # normalised images stay far below


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors whose values are not all finite numbers."""
    checks: dict[torch.device, dict[str, Tensor]] = {}  # by device, which is waited for once
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            checks.setdefault(tensor.device, {})[name] = torch.isfinite(tensor).all()
    return [
        name
        for check in checks.values()
        for name, finite in zip(check, torch.stack(list(check.values())).tolist(), strict=True)
        if not finite
    ]


def optimizer_tensors(state: Mapping[Any, Mapping[str, Any]]) -> dict[str, Tensor]:
    """Return the tensors of an optimiser's ``state_dict()["state"]``, such as momenta, by name."""
    return {
        f"optimizer.{number}.{name}": value
        for number, one in state.items()
        for name, value in one.items()
        if torch.is_tensor(value)
    }


class Divergence(Callback):
    """Ends a training with one line when its loss or its weights are no longer numbers.

    Must come before `Checkpoints`: then only finite weights, averages, statistics and momenta are
    saved, for which the loss is finite too, so that the run can be resumed from them.

    Args:
        folder: the run folder, a `Path`.
        interval: batches between checks of the loss, which wait for the device and for the other
            processes; a single process on a CPU checks every batch.
        records: the training set's ``pictures``.
    """

    def __init__(self, folder: Path, interval: int, records: Sequence[Picture]) -> None:
        self.folder, self.interval, self.records = folder, interval, records
        self.recent: deque[tuple[int, Tensor]] = deque(maxlen=HISTORY)  # (step, loss), oldest first
        self._batch: Batch  # of the current step
        self._unseen = 0

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: Any, batch: Batch, batch_idx: int
    ) -> None:
        self._batch = batch

    def on_before_backward(self, trainer: pl.Trainer, module: Any, loss: Tensor) -> None:
        loss = module.losses["loss"]  # the argument is scaled
        self.recent.append((trainer.global_step + 1, loss))
        self._unseen += 1
        waits = loss.device.type != "cpu" or trainer.world_size > 1
        if not waits or self._unseen >= min(self.interval, HISTORY):
            self._check(trainer, module)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        self._check(trainer, module)
        wrong = not_finite(module.state_dict())
        for optimizer in trainer.optimizers:
            wrong += not_finite(optimizer_tensors(optimizer.state_dict()["state"]))
        if not wrong and not torch.isfinite(_next_loss(trainer, module, self._batch)):
            wrong = ["loss"]  # the last step left weights that are finite but useless
        self._stop_if_wrong(trainer, module, trainer.global_step if wrong else None)

    def _check(self, trainer: pl.Trainer, module: TrainingModule) -> None:
        if not self._unseen:
            return
        steps = list(self.recent)[-self._unseen :]
        self._unseen = 0
        losses = torch.stack([loss for _, loss in steps])
        wrong = (~torch.isfinite(losses)).cpu()
        step = steps[int(wrong.int().argmax())][0] if wrong.any() else None
        self._stop_if_wrong(trainer, module, step)

    def _stop_if_wrong(self, trainer: pl.Trainer, module: TrainingModule, step: int | None) -> None:
        """End all processes if a step went wrong in one of them; None: no step of this one did."""
        if not trainer.strategy.reduce_boolean_decision(step is not None, all=False):
            return
        lines = [None if step is None else self._line(trainer, module, step)]
        if trainer.world_size > 1:
            own, lines = lines[0], [None] * trainer.world_size
            distributed.all_gather_object(lines, own)
            if not trainer.is_global_zero:
                sys.exit(1)
        raise NanodetError(next(line for line in lines if line))

    def _line(self, trainer: pl.Trainer, module: TrainingModule, step: int) -> str:
        losses = [float(loss) for at, loss in self.recent if at < step]
        kept = ""
        if (self.folder / LAST).is_file():
            kept = f"; {self.folder / LAST} is left as it was after epoch {trainer.current_epoch}"
        return (
            f"the loss is no longer a number at step {step} (epoch {trainer.current_epoch + 1}): "
            f"{explain(module, self._batch, losses, self.records)}{kept}"
        )


@torch.no_grad()
def _next_loss(trainer: pl.Trainer, module: TrainingModule, batch: Batch) -> Tensor:
    """Return the loss of a batch with the current weights, and leave the buffers unchanged."""
    statistics = [(buffer, buffer.clone()) for buffer in module.model.buffers()]
    try:
        with trainer.precision_plugin.forward_context():
            return total(module.batch_losses(batch, alone=True))
    finally:
        for buffer, before in statistics:
            buffer.copy_(before)


@torch.no_grad()
def explain(
    module: TrainingModule, batch: Batch, losses: Sequence[float], records: Sequence[Picture]
) -> str:
    """Return the likely cause of a loss that is not a number, and the remedy, as one line.

    Args:
        module: the `TrainingModule`.
        batch: the `Batch` of that loss.
        losses: the losses before it, oldest first.
        records: the training set's ``pictures``.
    """
    config = module.config
    optimizer = config.schedule.optimizer
    remedy = f"start again with a lower schedule.optimizer.lr (now {optimizer.lr:g})" + (
        " and a grad_clip, such as 35"
        if config.grad_clip is None
        else f" or a lower grad_clip (now {config.grad_clip:g})"
    )
    images = normalised(batch, config.data.train)
    largest = float(images.abs().max())
    if not largest < LARGE_INPUT:
        return (
            f"data.train.pipeline.normalize turns the images into values of up to {largest:.2g}: correct "
            f"its mean and std, which are in grey levels of 0 to 255"
        )
    if not not_finite(module.model.state_dict()):
        size = (images.shape[3], images.shape[2])
        outputs = module.model.training_outputs(images, module.current_epoch)
        if not not_finite(outputs):
            for i, truth in enumerate(ground_truths(batch)):
                one = {name: output[i : i + 1] for name, output in outputs.items()}
                found = module.objective(one, [truth], size, alone=True)
                if not_finite(found):
                    return _blame(batch, i, records)
            if module.trainer.precision == "16-mixed":
                return "half precision overflowed: set device.precision: bf16-mixed or 32"
    if len(losses) < 3:
        start = config.schedule.load_model
        return f"at the very start: {remedy}" + (
            f", or from other weights than {start}" if start else ""
        )
    before = float(np.median(losses[: len(losses) // 2 + 1]))
    return f"it went from {before:.3g} to {losses[-1]:.3g} before: {remedy}"


def _blame(batch: Batch, i: int, records: Sequence[Picture]) -> str:
    boxes = batch.boxes[i].abs().amax(dim=1) if len(batch.boxes[i]) else torch.zeros(0)
    worst = f" (box {int(boxes.nan_to_num(torch.inf).argmax()) + 1})" if len(boxes) else ""
    return (
        f"the annotation of {records[batch.indices[i]].path}{worst} cannot be learned from: correct "
        f"it, or leave the image out"
    )
