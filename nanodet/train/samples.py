"""A sheet of the first batch as the network sees it: augmentation is debugged by looking at it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from nanodet.data.loader import Batch
from nanodet.drawing.draw import draw
from nanodet.evaluate.sheet import contact_sheet
from nanodet.images.image_file import write_picture
from nanodet.runtime.detections import Detections
from nanodet.train.outputs import SAMPLES

COUNT = 12  # images, at most


class TrainingSamples(Callback):
    """Writes `SAMPLES` into the run folder before the first step; a resumed run keeps the one it has.

    Args:
        folder: the run folder.
        class_names: of the labels.
    """

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.path, self.class_names = folder / SAMPLES, class_names
        self._done = False

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: Any, batch: Batch, batch_idx: int
    ) -> None:
        if self._done or not trainer.is_global_zero:
            return
        self._done = True
        if trainer.global_step == 0 or not self.path.exists():
            write_picture(self.path, training_sheet(batch, self.class_names))


def training_sheet(batch: Batch, class_names: Sequence[str]) -> np.ndarray:
    """Show the first images of a batch with their boxes; ignored regions are dashed.

    Args:
        batch: as the loader collates it, on any device.
        class_names: of its labels.

    Returns:
        uint8 (H, W, 3) BGR.
    """
    cells = []
    for n in range(min(len(batch), COUNT)):
        width, height = batch.contents[n]
        picture = batch.images[n, :height, :width].cpu().numpy()
        boxes, ignored = batch.boxes[n].cpu().numpy(), batch.ignored[n].cpu().numpy()
        regions = Detections(ignored, np.ones(len(ignored)), np.zeros(len(ignored)))
        truth = Detections(boxes, np.ones(len(boxes)), batch.labels[n].cpu().numpy(), class_names)
        picture = draw(picture, regions, style="dashed", labels=False)
        cells.append(draw(picture, truth, scores=False))
    return contact_sheet(cells)
