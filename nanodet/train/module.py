"""The Lightning module: one training step, one validation, and what a checkpoint contains."""

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, distributed, nn

from nanodet.config.data_sections import Dataset
from nanodet.config.schema import Config
from nanodet.data.loader import Batch, normalise_batch
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import Metrics, evaluate_detections
from nanodet.learn.objective import build_objective
from nanodet.learn.targets import GroundTruth
from nanodet.model.checkpoint import KEY, carried
from nanodet.model.torch_backend import exported_rows, spec_of
from nanodet.runtime.decode import detections_of
from nanodet.runtime.detections import Detections
from nanodet.runtime.thresholds import Thresholds
from nanodet.train.averaging import averaged_copy, update_average
from nanodet.train.distiller import Distiller
from nanodet.train.optimiser import build_optimiser, learning_rate_factor


class TrainingModule(pl.LightningModule):
    """A network in training, and the average of its weights.

    Args:
        config: the whole `Config`.
        network: the detector; its names in a checkpoint begin with ``model.``, the average's
            with ``avg_model.``.
        annotations: the validation set's `Annotations`.
        file: names the config in messages.
        distiller: the teacher, None for none; what it trains beside the network begins with
            ``distiller.`` in a checkpoint.
    """

    def __init__(
        self,
        config: Config,
        network: Any,
        annotations: Annotations,
        file: str = "config",
        distiller: Distiller | None = None,
    ) -> None:
        super().__init__()
        self.config, self.annotations, self.file = config, annotations, file
        self.model = network
        averager = config.model.weight_averager
        self.avg_model = averaged_copy(network) if averager else None
        self.distiller = distiller
        try:
            self.objective = build_objective(network, config.model.arch)
        except NanodetError as error:
            raise NanodetError(f"{file}: {error}") from None
        self.spec = spec_of(network, config)
        self.losses: dict[str, Tensor] = {}  # of the last step, detached
        self.metrics: Metrics | None = None  # of the last validation, after metrics_epoch epochs
        self.metrics_epoch: int | None = None
        # called around each stage of a step with its name: a profile measures them
        self.stage: Callable[[str], AbstractContextManager[Any]] = nullcontext
        self._found: dict[
            int, Detections
        ] = {}  # image index to Detections, of the running validation

    @property
    def evaluated(self) -> nn.Module:
        """The network that is evaluated and exported."""
        return self.model if self.avg_model is None else self.avg_model

    @property
    def epochs_done(self) -> int:
        """The number of epochs whose steps are all done; also the number of the last one, from 1."""
        current: Any = self.trainer.fit_loop.epoch_progress.current  # annotated as its base class
        return current.processed

    def configure_optimizers(self) -> torch.optim.Optimizer:
        further = self.distiller.parameters() if self.distiller is not None else ()
        return build_optimiser(self.model, self.config.schedule.optimizer, self.file, further)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        # the loader's batches are in page-locked memory then; Lightning would wait for each of their tensors
        return batch.to(device, non_blocking=device.type == "cuda")

    def on_train_epoch_start(self) -> None:
        if self.config.schedule.freeze_norm:
            for module in self.model.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eval()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        for group in self.trainer.optimizers[0].param_groups:
            initial = group["initial_lr"]
            group["lr"] = initial * learning_rate_factor(
                self.config.schedule, self.global_step, self.current_epoch, initial
            )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        losses = self.batch_losses(batch)
        loss = total(losses)
        self.losses = {"loss": loss.detach(), **{k: v.detach() for k, v in losses.items()}}
        self.log("loss", loss.detach(), prog_bar=True, logger=False, batch_size=len(batch))
        return loss

    def batch_losses(self, batch: Batch, alone: bool = False) -> dict[str, Tensor]:
        """Return name to loss, a tensor (), of a training `Batch`; see `Objective` for ``alone``."""
        distiller, truths = self.distiller, ground_truths(batch)
        with self.stage("forward"), distiller.watched() if distiller else nullcontext([]) as maps:
            images = normalised(batch, self.config.data.train)
            size = (images.shape[3], images.shape[2])
            outputs = self.model.training_outputs(images, self.current_epoch)
        with self.stage("assignment"):
            targets = self.objective.targets(outputs, truths, size)
        with self.stage("losses"):
            losses = self.objective.losses(outputs, targets, size, alone)
        if distiller is None:
            return losses
        with self.stage("teacher"):
            lesson = distiller.lesson(batch, size)
        with self.stage("losses"):
            return losses | distiller.losses(
                outputs, maps, lesson, self.objective, targets, truths, size, alone
            )

    def backward(self, *args: Any, **kwargs: Any) -> None:
        with self.stage("backward"):
            super().backward(*args, **kwargs)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        with self.stage("optimiser"):  # which calls the other stages first
            super().optimizer_step(*args, **kwargs)
        averager = self.config.model.weight_averager
        if self.avg_model is not None and averager is not None:
            with self.stage("EMA"):
                # Lightning counts the step after this hook
                step, ramp = self.global_step + 1, averager.ramp_steps
                update_average(self.avg_model, self.model, step, averager.decay, ramp)

    def on_validation_epoch_start(self) -> None:
        self._found = {}
        self.evaluated.eval()
        self.spec = spec_of(self.evaluated, self.config)  # which may hold weights

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        limits = Thresholds.of(self.config.evaluator)
        images = normalised(batch, self.config.data.val)
        size = (images.shape[3], images.shape[2])
        with torch.autocast(images.device.type, enabled=False):  # as exported models compute
            output = exported_rows(self.evaluated(images), self.model.head)
        for i, scores in enumerate(output.cpu().numpy()):
            # the input of a batch is as large as its largest image needs
            placement = dataclasses.replace(batch.placements[i], canvas=size)
            self._found[batch.indices[i]] = detections_of(
                scores, self.spec, placement, batch.picture_sizes[i], limits
            )

    def on_validation_epoch_end(self) -> None:
        found = self._found
        if distributed.is_available() and distributed.is_initialized():
            parts: list[Any] = [None] * distributed.get_world_size()
            distributed.all_gather_object(parts, found)
            found = {index: item for part in parts for index, item in part.items()}
        detections = [found[i] for i in range(len(found))]
        self.metrics = evaluate_detections(self.annotations, detections)
        self.metrics_epoch = self.epochs_done
        # for early stopping and the progress bar; MetricsCsv writes the files
        for name, value in self.metrics.to_dict().items():
            if name != "images":
                self.log(f"val/{name}", value or 0.0, prog_bar=name in ("AP", "AP50"), logger=False)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        teacher = {} if self.distiller is None else {"teacher": self.distiller.sha256}
        checkpoint[KEY] = carried(
            self.config, epochs=self.epochs_done, precision=self.trainer.precision, **teacher
        )


def normalised(batch: Batch, section: Dataset) -> Tensor:
    """Return the images of a `Batch` as `normalise_batch` does, with the values of their data set."""
    mean, std = section.pipeline.normalize
    return normalise_batch(batch.images, batch.contents, mean, std)


def total(losses: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of named losses."""
    first, *others = losses.values()
    return sum(others, first)


def ground_truths(batch: Batch) -> list[GroundTruth]:
    """Return the `GroundTruth` of each image of a training `Batch`."""
    return [GroundTruth(*one) for one in zip(batch.boxes, batch.labels, batch.ignored, strict=True)]
