"""The augmentation of a sample: which steps it takes, and in which order."""

from collections.abc import Callable, Sequence

import numpy as np

from nanodet.config.data_sections import Pipeline
from nanodet.data.augment.colour import change_colours
from nanodet.data.augment.crop import crop
from nanodet.data.augment.cutout import cutout
from nanodet.data.augment.filters import FILTERS
from nanodet.data.augment.geometry import draw_geometry
from nanodet.data.augment.mosaic import mixup, mosaic
from nanodet.data.augment.paste import copy_paste
from nanodet.data.augment.scene import Scene, Sources
from nanodet.data.records import Picture
from nanodet.runtime.fit import Placement, Size, place

# Streams of random numbers: each step has its own, so that no setting changes the numbers of another
# step. They follow those of `nanodet.data.loader`; the steps without one use [seed, epoch, index].
STREAMS = {
    "mosaic": 3, "mixup": 4, "crop": 5, "cutout": 6, "copy_paste": 7, "blur": 8, "grey": 9, "jpeg": 10,
}  # fmt: skip


class Augmentation:
    """Augments the images of a training set.

    In this order: mosaic, or else crop; copy-paste; mixup; colours; grey, blur, JPEG; cut-out. What
    comes out depends only on the seed, the epoch, the index and the input size.

    Args:
        records: the annotated images.
        load: returns the pixels of the image at an index.
        pipeline: the settings.
        fit: see `nanodet.runtime.fit.place`.
        seed: whole number from 0.
        total_epochs: of the training, from whose end ``pipeline.off_epochs`` counts; None: no such end.
    """

    def __init__(
        self, records: Sequence[Picture], load: Callable[[int], np.ndarray], pipeline: Pipeline,
        fit: str, seed: int, total_epochs: int | None = None,
    ) -> None:  # fmt: skip
        self.records, self.load, self.pipeline = records, load, pipeline
        self.fit, self.seed = fit, seed
        self.last = np.inf if total_epochs is None else total_epochs - pipeline.off_epochs
        self._steps = [name for name in STREAMS if getattr(pipeline, name)]
        self._holders = _holders(records) if pipeline.copy_paste else []

    def __call__(self, epoch: int, index: int, input_size: Size) -> tuple[Scene, Placement, Size]:
        """Return the scene of a sample, its placement, and the (width, height) of its image.

        Args:
            epoch: from 0.
            index: of the image.
            input_size: (width, height) of the batch.
        """
        picture = self.load(index)
        size: Size = (picture.shape[1], picture.shape[0])
        placement = place(self.fit, size, input_size)
        rng = np.random.default_rng([self.seed, epoch, index])
        geometry = draw_geometry(self.pipeline, size, rng)
        drawn = self._drawn(epoch, index)
        sources = Sources(self.records, self.load, self.pipeline, self.fit, input_size)
        if "mosaic" in drawn:
            scene = mosaic(sources, index, picture, geometry, placement.content, drawn["mosaic"])
        else:
            if "crop" in drawn:
                geometry, placement = crop(sources, index, size, geometry, drawn["crop"])
            scene = sources.view(index, picture, geometry, placement)
        if "copy_paste" in drawn:
            copy_paste(scene, sources, index, picture, self._holders, drawn["copy_paste"])
        if "mixup" in drawn:
            mixup(scene, sources, drawn["mixup"])
        # after the warp, because there are fewer pixels to change
        scene.image = change_colours(scene.image, self.pipeline, rng)
        for name, change in FILTERS.items():
            if name in drawn:
                scene.image = change(scene.image, drawn[name])
        if "cutout" in drawn:
            cutout(scene, drawn["cutout"])
        return scene, placement, size

    def _drawn(self, epoch: int, index: int) -> dict[str, np.random.Generator]:
        """Return the steps that this sample takes, each with its generator."""
        if epoch >= self.last:
            return {}
        drawn = {}
        for name in self._steps:
            rng = np.random.default_rng([self.seed, epoch, index, STREAMS[name]])
            if rng.random() < getattr(self.pipeline, name):
                drawn[name] = rng
        return drawn


def _holders(records: Sequence[Picture]) -> list[np.ndarray]:
    """Return, for each class with objects, the indices of the images that hold some."""
    found: dict[int, list[int]] = {}
    for index, record in enumerate(records):
        for label in np.unique(record.labels).tolist():
            found.setdefault(label, []).append(index)
    return [np.array(found[label]) for label in sorted(found)]
