"""The loaders of a training, created once Lightning knows the processes."""

import pytorch_lightning as pl

from nanodet.config.schema import Config
from nanodet.data.dataset import DetectionSet
from nanodet.data.loader import Loader, build_loader
from nanodet.data.records import Annotations
from nanodet.train.preflight import worker_count


class Loaders(pl.LightningDataModule):
    """Gives Lightning its loaders.

    Args:
        config: a `Config`.
        training_set, validation_set: `Annotations`.
        seed: whole number from 0.
        shared_memory: see `nanodet.data.loader.build_loader`.
    """

    def __init__(
        self,
        config: Config,
        training_set: Annotations,
        validation_set: Annotations,
        seed: int,
        shared_memory: bool,
    ) -> None:
        super().__init__()
        self.config, self.seed, self.shared_memory = config, seed, shared_memory
        self.trainer: pl.Trainer  # set by Lightning
        self.sets = {
            "train": DetectionSet(
                training_set, config.data.train, True, seed, config.schedule.total_epochs
            ),
            "val": DetectionSet(validation_set, config.data.val, False, seed),
        }

    def train_dataloader(self) -> Loader:
        return self._loader("train", self.config.device.batchsize_per_gpu)

    def val_dataloader(self) -> Loader:
        # fit own is defined for one image at a time: a batch would pad it differently
        alone = self.config.data.val.effective_fit == "own"
        return self._loader("val", 1 if alone else self.config.device.batchsize_per_gpu)

    def _loader(self, part: str, batch_size: int) -> Loader:
        section = getattr(self.config.data, part)
        return build_loader(
            self.sets[part],
            batch_size=batch_size,
            workers=worker_count(self.config),
            training=part == "train",
            seed=self.seed,
            input_size=tuple(section.input_size),
            multi_scale=section.multi_scale if part == "train" else None,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
            shared_memory=self.shared_memory,
        )
