"""Annotated images, prepared for the network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from nanodet.config.data_sections import Dataset as Section
from nanodet.data.augment.augment import Augmentation
from nanodet.data.augment.scene import Scene
from nanodet.data.cache import cache_pictures
from nanodet.data.picture import load_picture
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.runtime.fit import Placement, Size, place, warp

Key = tuple[int, int, Size]  # epoch, index, input size


@dataclass
class Sample:
    """One image, fitted.

    Attributes:
        image: uint8 (h, w, 3) BGR, the placement's content, without padding.
        boxes: float32 (N, 4) xyxy in network pixels; labels: int64 (N,).
        ignored: float32 (M, 4) xyxy in network pixels.
        index: position in ``Annotations.pictures``.
        image_id: the annotation's id.
        placement: how the fit placed the image; maps boxes back if nothing was augmented.
        picture_size: (width, height) of the original.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray
    index: int
    image_id: int
    placement: Placement
    picture_size: Size


class DetectionSet(Dataset[Sample]):
    """A data set, indexed by keys ``(epoch, index, input_size)``.

    A sample depends only on the seed and the key: it is the same in any worker, in
    any order, and after a resume.
    """

    def __init__(
        self, annotations: Annotations, section: Section, training: bool, seed: int = 0,
        total_epochs: int | None = None,
    ) -> None:  # fmt: skip
        """Wrap annotations.

        Args:
            annotations: `nanodet.data.records.Annotations`.
            section: `nanodet.config.data_sections.Dataset`, of which ``effective_fit``, ``pipeline``
                and ``cache`` are used.
            training: augment, and leave out boxes that are not worth training on; otherwise,
                every box stays.
            seed: whole number from 0.
            total_epochs: of the training; ``pipeline.off_epochs`` counts from its end.
        """
        self.annotations = annotations
        self.fit = section.effective_fit
        self.training = training
        self.seed = seed
        self.augment = Augmentation(
            annotations.pictures, self._load, section.pipeline, self.fit, seed, total_epochs
        )
        self._cache = cache_pictures(annotations.pictures, load_picture) if section.cache else None

    def __len__(self) -> int:
        return len(self.annotations.pictures)

    def __getitem__(self, key: Key) -> Sample:
        """Return the `Sample` of a key.

        Raises:
            NanodetError: the image is missing, broken, or differs from the annotated size.
        """
        epoch, index, input_size = key
        record = self.annotations.pictures[index]
        if self.training:
            scene, placement, size = self.augment(epoch, index, input_size)
        else:
            picture = self._load(index)
            size = (picture.shape[1], picture.shape[0])
            placement = place(self.fit, size, input_size)
            scene = Scene(
                image=warp(picture, placement.matrix, placement.content),
                boxes=placement.to_network(record.boxes).astype(np.float32),
                labels=record.labels,
                ignored=placement.to_network(record.ignored).astype(np.float32),
            )
        return Sample(
            image=scene.image,
            boxes=scene.boxes,
            labels=scene.labels,
            ignored=scene.ignored,
            index=index,
            image_id=record.image_id,
            placement=placement,
            picture_size=size,
        )

    def _load(self, index: int) -> np.ndarray:
        """Return the pixels of an image, from the cache if there is one."""
        if self._cache is not None:
            return self._cache[index]
        return load_picture(self.annotations.pictures[index])

    def __getitems__(self, keys: Sequence[Key]) -> list[Sample] | NanodetError:
        """Return the samples of a batch, or the first `NanodetError` as a value.

        An exception raised in a worker process would arrive as the text of a traceback; as a value it
        arrives unchanged, and the loader raises it.
        """
        try:
            return [self[key] for key in keys]
        except NanodetError as error:
            return error
