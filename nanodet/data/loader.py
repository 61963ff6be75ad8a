"""Batches: which images, in what order and size, and how they are collated."""

import dataclasses
import functools
import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from nanodet.data.dataset import DetectionSet, Key, Sample
from nanodet.data.workers import PREFETCH, Deaths, start_worker
from nanodet.errors import NanodetError
from nanodet.runtime.fit import Placement, Size, nearest_aligned, round_up
from nanodet.text.printable import printable

log = logging.getLogger(__name__)

# Streams of random numbers besides the samples' [seed, epoch, index]. NumPy pads seeds with
# zeros to four numbers, so the fourth distinguishes the streams.
ORDER_STREAM, SIZE_STREAM = 1, 2


@dataclass
class Batch:
    """Images of one step, on one canvas size.

    Attributes:
        images: uint8 (B, H, W, 3) BGR, H and W multiples of 32, content at the top left.
        contents: (width, height) of each image's content.
        boxes: per image float32 (N, 4) xyxy in network pixels; labels: int64 (N,);
            ignored: float32 (M, 4).
        indices: position of each image in the annotations; image_ids: their ids.
        placements: a `nanodet.runtime.fit.Placement` each.
        picture_sizes: (width, height) of each original.
    """

    images: Tensor
    contents: list[Size]
    boxes: list[Tensor]
    labels: list[Tensor]
    ignored: list[Tensor]
    indices: list[int]
    image_ids: list[int]
    placements: list[Placement]
    picture_sizes: list[Size]

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str, **kwargs: Any) -> "Batch":
        """Return the batch with its tensors on ``device`` (Lightning calls this)."""
        return self._apply(lambda tensor: tensor.to(device, **kwargs))

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory (a loader with ``pin_memory`` calls this)."""
        return self._apply(torch.Tensor.pin_memory)

    def _apply(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        return dataclasses.replace(
            self,
            images=function(self.images),
            boxes=_joined(function, self.boxes),
            labels=_joined(function, self.labels),
            ignored=_joined(function, self.ignored),
        )


def _joined(function: Callable[[Tensor], Tensor], tensors: list[Tensor]) -> list[Tensor]:
    """Apply a function to tensors joined to one: one transfer takes as long as one of their many."""
    lengths = [len(tensor) for tensor in tensors]
    return list(function(torch.cat(tensors)).split(lengths)) if tensors else []


def collate(samples: Sequence[Sample] | NanodetError) -> Batch | NanodetError:
    """Collate samples into a `Batch`, padded right and bottom to the largest, rounded up to 32.

    A `NanodetError` in place of the samples is passed on.
    """
    if isinstance(samples, NanodetError):
        return samples
    contents = [(s.image.shape[1], s.image.shape[0]) for s in samples]
    width, height = round_up(np.max(contents, axis=0))
    exact = all(content == (width, height) for content in contents)
    images = (torch.empty if exact else torch.zeros)(
        (len(samples), height, width, 3), dtype=torch.uint8
    )
    for image, sample, (w, h) in zip(images.numpy(), samples, contents, strict=True):
        image[:h, :w] = sample.image
    return Batch(
        images=images,
        contents=contents,
        boxes=[torch.from_numpy(s.boxes) for s in samples],
        labels=[torch.from_numpy(s.labels) for s in samples],
        ignored=[torch.from_numpy(s.ignored) for s in samples],
        indices=[s.index for s in samples],
        image_ids=[s.image_id for s in samples],
        placements=[s.placement for s in samples],
        picture_sizes=[s.picture_size for s in samples],
    )


def normalise_batch(
    images: Tensor,
    contents: Sequence[Size],
    mean: Sequence[float],
    std: Sequence[float],
    channels_last: bool = True,
) -> Tensor:
    """Return ``(images - mean) / std`` with zeros outside each image's content.

    Done on whole batches, on the training device, so that the loader transfers bytes, not floats.

    Args:
        images: uint8 (B, H, W, 3).
        contents: (width, height) of each image.
        mean, std: three values each in the channels' order, in grey levels.
        channels_last: the memory format of the result.

    Returns:
        float32 (B, 3, H, W).
    """
    centre, spread = (
        # does not wait for the device, as tensors that are made there do
        torch.tensor(v, dtype=torch.float32).to(images.device, non_blocking=True)
        for v in (mean, std)
    )
    result = torch.sub(images, centre).div_(spread)
    for picture, (w, h) in zip(result, contents, strict=True):
        picture[h:] = 0
        picture[:h, w:] = 0
    result = result.permute(0, 3, 1, 2)
    return result if channels_last else result.contiguous()


class EpochSampler(Sampler[list[Key]]):
    """Yields batches of keys ``(epoch, index, input_size)``.

    In training the order is a permutation that depends on (seed, epoch), distributed to the
    ranks in turn; it is padded from its beginning so that all ranks have the same number of images.
    The last batch may be smaller, but one of a single image is left out if there are other
    batches, because batch norm needs more than one. Without training: the images in
    order, each exactly once over all ranks.
    """

    def __init__(
        self, length: int, batch_size: int, training: bool, seed: int, input_size: Sequence[int], *,
        multi_scale: Sequence[float] | None = None, rank: int = 0, world_size: int = 1,
    ) -> None:  # fmt: skip
        self.length, self.batch_size, self.training = length, batch_size, training
        self.seed, self.multi_scale = seed, multi_scale
        self.input_size = (input_size[0], input_size[1])
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

    @property
    def sampler(self) -> "EpochSampler":
        """The sampler itself: Lightning calls ``set_epoch`` on a batch sampler's ``sampler``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that determines the next order."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return self._batches(len(self._indices()))

    def _batches(self, pictures: int) -> int:
        full, rest = divmod(pictures, self.batch_size)
        lone = self.training and rest == 1 and full > 0 and self.batch_size > 1
        return full + (rest > 0 and not lone)

    def __iter__(self) -> Iterator[list[Key]]:
        indices = self._indices()
        for batch in range(self._batches(len(indices))):
            size = self._size(batch)
            part = indices[batch * self.batch_size : (batch + 1) * self.batch_size]
            epoch = self.epoch if self.training else 0
            yield [(epoch, int(index), size) for index in part]

    def _indices(self) -> np.ndarray:
        order = np.arange(self.length)
        if self.training:
            rng = np.random.default_rng([self.seed, self.epoch, 0, ORDER_STREAM])
            order = rng.permutation(self.length)
            order = np.resize(order, -(-self.length // self.world_size) * self.world_size)
        return order[self.rank :: self.world_size]

    def _size(self, batch: int) -> Size:
        if not (self.training and self.multi_scale):
            return self.input_size
        rng = np.random.default_rng([self.seed, self.epoch, batch, SIZE_STREAM])
        low, high = self.multi_scale
        factor = rng.uniform(low, high)
        return nearest_aligned(side * factor for side in self.input_size)


class Loader(DataLoader):
    """A torch loader that raises a `NanodetError` of a worker unchanged.

    If no workers can be started, it loads in this process.
    """

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # torch names a class of its own
        try:
            # checked first, because torch fails on an iterator that it could not create completely
            [multiprocessing.Queue() for _ in range(self.num_workers and self.num_workers + 2)]
            with Deaths.starting():
                batches = super().__iter__()
        except OSError as error:  # no shared memory for their locks, or too little memory
            if not self.num_workers:
                raise
            log.warning(
                "cannot start processes that load images (%s): loading in the training process, slower",
                printable(error.strerror or error),
            )
            self.num_workers = 0
            batches = super().__iter__()
        following = functools.partial(Deaths.wait if self.num_workers else next, batches)
        while True:
            try:
                batch = following()
            except StopIteration:
                return
            if isinstance(batch, NanodetError):
                break
            yield batch
        # ends the workers now: if the garbage collector does it later, together with the error's
        # frames, their queues may be closed first, and the program then waits 5 s for them
        self._iterator = None
        del batches, following
        raise batch


def build_loader(
    dataset: DetectionSet,
    batch_size: int,
    workers: int,
    training: bool,
    seed: int,
    input_size: Sequence[int],
    *,
    multi_scale: Sequence[float] | None = None,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool | None = None,
    shared_memory: bool = True,
) -> Loader:
    """Return the loader of `Batch` for a `DetectionSet`.

    Args:
        dataset: a `nanodet.data.dataset.DetectionSet`.
        batch_size: images per batch and process.
        workers: worker processes; 0 loads in this one.
        training: shuffled, see `EpochSampler`.
        seed: whole number from 0, the same on all ranks.
        input_size: (width, height) that images are fitted to.
        multi_scale: (low, high) range from which every batch draws a factor; sizes are multiples of 32.
        rank, world_size: of this process in distributed training.
        pin_memory: page-locked batches; None: if there is CUDA.
        shared_memory: whether workers pass their batches through the system's shared memory, or
            through pipes, which are slower.

    The loader's ``batch_sampler`` is the `EpochSampler`.
    """
    sampler = EpochSampler(
        len(dataset),
        batch_size,
        training=training,
        seed=seed,
        input_size=input_size,
        multi_scale=multi_scale,
        rank=rank,
        world_size=world_size,
    )
    return Loader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available() if pin_memory is None else pin_memory,
        worker_init_fn=functools.partial(start_worker, shared_memory=shared_memory),
        prefetch_factor=PREFETCH if workers else None,
        persistent_workers=workers > 0,
        # the default generator would change with every epoch, and with it the training's random numbers
        generator=torch.Generator().manual_seed(seed),
    )
